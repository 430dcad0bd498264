#!/usr/bin/env bash
# The pipelines' files are valid, each command in them is a recipe that exists, and both pipelines know all of those. The last line counts.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step python; do
  # shellcheck source=/dev/null
  . "$HERE/../cluster/lib/$library.sh"
done
cd "$REPO"
SCHEMAS=$(python_folder check-jsonschema .ci/requirements.txt)/bin/check-jsonschema
WORKFLOWS=(.github/workflows/*.yml)
passed=0
failed=0

check() { # NAME COMMAND...: passes if COMMAND succeeds
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
  else
    printf 'FAIL %s\n%s\n' "$name" "$output"
    failed=$((failed + 1))
  fi
}

# Lines of FILE... with a command.
commands() { grep --no-filename --extended-regexp '\b(run|command): ' "$@"; }
# The recipes among them: one command in a line, and nothing else in it.
recipes() { commands "$@" | sed --quiet --regexp-extended 's#^ *- run: (\{command: )?\./just (ci-[a-z0-9]+)( [a-z]+)?(, [a-z_]+: [a-z0-9]+\})?$#\2#p'; }
calls_only_recipes() { [ "$(commands "$@" | wc -l)" = "$(recipes "$@" | wc -l)" ] || { commands "$@" && false; }; }
known_recipes() { ./just --summary | tr ' ' '\n' | grep '^ci-' | sort; }
calls_all_recipes() { diff <(known_recipes) <(recipes "$@" | sort -u); }
# A tag of an action can be moved.
has_actions_by_commit() { ! grep --extended-regexp 'uses: ' "$@" | grep --invert-match --extended-regexp '@[0-9a-f]{40} # v[0-9.]+$'; }
may_only_read() { [ "$(sed --quiet '/^permissions:$/,/^[a-z]*:$/p' "$1" | grep '^  ')" = "  contents: read" ]; }

check "GitHub's workflows are valid" "$BIN/actionlint" "${WORKFLOWS[@]}"
check "GitHub's workflows are as their schema says" "$SCHEMAS" --builtin-schema vendor.github-workflows "${WORKFLOWS[@]}"
check "CircleCI's configuration is as its schema says" "$SCHEMAS" --builtin-schema vendor.circle-ci .circleci/config.yml
check "GitHub's workflows call recipes only" calls_only_recipes "${WORKFLOWS[@]}"
check "GitHub's workflows call all recipes that are for them" calls_all_recipes "${WORKFLOWS[@]}"
check "CircleCI's configuration calls recipes only" calls_only_recipes .circleci/config.yml
check "CircleCI's configuration calls all recipes that are for it" calls_all_recipes .circleci/config.yml
check "actions are pinned to commits" has_actions_by_commit "${WORKFLOWS[@]}"
for workflow in "${WORKFLOWS[@]}"; do
  check "$(basename "$workflow"): only a job may be permitted more than to read" may_only_read "$workflow"
done

echo "pipelines: $passed passed, $failed failed"
[ "$failed" = 0 ]
