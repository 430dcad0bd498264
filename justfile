# The commands of this repository; each is one line here or a script of its own.

set positional-arguments

cluster := justfile_directory() / "cluster"

# List the commands
_default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# The whole platform on a real one-node cluster (or on KUBECONFIG's), to a chat in the browser
up:
    @"{{ cluster }}/up.sh"

# Stop the local cluster; with --purge remove its state too
down *arguments:
    @"{{ cluster }}/down.sh" "$@"

# Only the chat, on embedded SQLite, at http://127.0.0.1:8080
run:
    @"{{ justfile_directory() }}/chat-server/run.sh"

# What runs, and what does not
status:
    @"{{ cluster }}/status.sh"

# The address of the chat
url:
    @"{{ cluster }}/url.sh"

# The cluster's kubectl
kubectl *arguments:
    @"{{ cluster }}/kubectl.sh" "$@"

# Build, push the images, and commit their digests as the version of dev
release:
    @"{{ justfile_directory() }}/manifests/release.sh"

# Commit the version that is Ready in the environment before: `promote staging` (from dev), `promote prod` (from staging)
promote environment:
    @"{{ justfile_directory() }}/manifests/promote.sh" "$@"

# Build `kubectl chatapp` and chatapp-operator (its `plan`) into a folder on PATH
plugin folder="~/.local/bin":
    @"{{ cluster }}/plugin.sh" {{ folder }}

# Everything: lint, unit, integration, and end to end on the real cluster
test: lint test-unit test-page up _test-e2e-and-outage test-life

# Formatting, lints and types, of all languages
lint: (_prepare "packages" "page" "pipelines")
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    cargo clippy --workspace --test platform --locked -- --deny warnings
    cd frontend && npm run --silent format:check && npm run --silent lint && npm run --silent typecheck
    git ls-files --cached --others --exclude-standard -- '*.sh' just .ci/run .ci/machine .ci/with-credentials | xargs shellcheck --source-path=SCRIPTDIR
    .ci/test.sh

# Write the code as the formatters want it
fmt: (_prepare "page")
    cargo fmt --all
    cd frontend && npm run --silent format

# Unit and integration tests, on real PostgreSQL, SQLite and a real API server
test-unit: (_prepare "packages" "page" "tools" "schemathesis")
    cluster/test.sh
    manifests/test.sh
    argocd/config/health/test.sh
    cargo test --workspace --locked

# The page: its logic, its web server's configuration, and all of it in Chromium, against the chat server on SQLite and PostgreSQL
test-page: (_prepare "packages" "page")
    cd frontend && npm test
    cargo build --workspace --locked --bin chat-server
    cd frontend && npm run --silent build && npm run --silent test:browser
    images/frontend/test.sh

# End-to-end tests on the cluster that `up` started: all stories, or those with NAME in their name
test-e2e *name:
    @"{{ cluster }}/e2e.sh" "$@"

# The operator through ten minutes without an API server (one of its own, not the cluster's)
test-outage: (_prepare "tools")
    cargo test --workspace --locked --test it -- --ignored --exact outage::an_outage_of_ten_minutes_is_survived

# It is nearly all waiting
[parallel]
_test-e2e-and-outage: test-e2e test-outage

# A second `up`, `down`, and an `up` that is killed: on the node that `up` started
test-life:
    @"{{ cluster }}/test-life.sh"

# Figures, with what they are compared to, failing nothing: `bench server [NAME ...] [--quick]`, `bench operator [COUNT ...] [--rest S]`, `bench page`
bench what *arguments: (_prepare (if what == "operator" { "tools" } else { "packages" }) (if what == "page" { "page" } else { "packages" }))
    {{ if what == "page" { justfile_directory() / "frontend/bench/run.sh" } else { 'bench="$1"; shift; cargo bench --workspace --locked --bench "$bench" -- "$@"' } }}

# Write the generated files anew (the CRD's YAML, the API's description and the page's types of it)
generate: (_prepare "page")
    cargo run --quiet --locked --package chat-server -- openapi > chat-server/openapi.json
    cargo run --quiet --locked --package chatapp-crds --bin crdgen > manifests/platform/crds/chatapps.sillychat.io.yaml
    cd frontend && npm run --silent generate
    GENERATE=1 cargo test --quiet --locked --workspace --lib every_field_ends_up

# Write down what this version makes of a ChatApp, once, when it is released (operator/tests/releases)
freeze:
    FREEZE=1 cargo test --quiet --locked --workspace --lib the_objects_of_each_release

# Build the pinned Kubernetes programs into the cache (first time about 20 min)
tools:
    @"{{ cluster }}/prepare.sh" tools

# In a pipeline: what `lint` does
ci-lint:
    .ci/machine ./just lint

# In a pipeline: what `test-unit` and `test-page` do
ci-test:
    .ci/machine ./just test-unit test-page

# In a pipeline: `up`, all end-to-end tests, and nothing is left running
ci-e2e:
    .ci/machine .ci/run up _test-e2e-and-outage test-life

# In a pipeline: what `release` does
ci-release:
    .ci/machine .ci/with-credentials ./just release

# In a pipeline: what `promote` does
ci-promote environment:
    .ci/machine .ci/with-credentials ./just promote "$1"

_prepare *what:
    @"{{ cluster }}/prepare.sh" "$@"
