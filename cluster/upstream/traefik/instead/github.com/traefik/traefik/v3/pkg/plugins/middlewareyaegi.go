// Traefik without plugins in Go: their interpreter has all of Go's library in it, which takes 3 GB of memory to compile.
package plugins

import (
	"context"
	"errors"

	"github.com/traefik/yaegi/interp"
)

var errNoPlugins = errors.New("this Traefik is built without plugins in Go")

func newInterpreter(context.Context, string, *Manifest, Settings) (*interp.Interpreter, error) {
	return nil, errNoPlugins
}

func newYaegiMiddlewareBuilder(*interp.Interpreter, string, string) (middlewareBuilder, error) {
	return nil, errNoPlugins
}
