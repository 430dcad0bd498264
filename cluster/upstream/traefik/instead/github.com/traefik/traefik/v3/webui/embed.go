// Traefik without the pages of its dashboard: they are no part of its Go module.
package webui

import "embed"

var FS embed.FS
