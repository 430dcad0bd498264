# shellcheck shell=bash
# How a long run talks: each step says what it does, how long it usually takes and how long it took; a failure names the
# step, its log file and what to do. Output of the commands goes to the log.

# die MESSAGE: one clear line, exit 1.
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step LOG DESCRIPTION HINT COMMAND...: runs COMMAND with its output in $LOGS/LOG.log.
step() {
  local log=$LOGS/$1.log description=$2 hint=$3 began=$SECONDS
  shift 3
  mkdir -p "$LOGS"
  printf '  %-66s' "$description"
  # Not `if (...)`: a condition would switch the subshell's `set -e` off.
  local status
  set +e
  (
    set -euo pipefail
    "$@"
  ) >"$log" 2>&1
  status=$?
  set -e
  if [ "$status" = 0 ]; then
    printf '%4s s\n' "$((SECONDS - began))"
    return 0
  fi
  printf 'failed after %s s\n' "$((SECONDS - began))"
  tail -n 15 "$log" | sed 's/^/    | /' >&2
  die "step '$description' failed; its log: $log
  $hint"
}

# skip DESCRIPTION REASON: the line of a step that has nothing to do.
skip() { printf '  %-66s   - %s\n' "$1" "$2"; }

# section TITLE: a heading between steps.
section() { printf '%s\n' "$*"; }

# until_true SECONDS COMMAND...: tries COMMAND five times a second until it succeeds or the deadline has passed.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# one_at_a_time: refuses to go on while another command changes the same cache. The commands that a killed run has left at work
# are ended: they hold the lock, and would write what this run writes.
one_at_a_time() {
  local owner
  mkdir -p "$CACHE"
  exec 8>>"$CACHE/lock"
  if ! flock --nonblock 8; then
    owner=$(cat "$CACHE/lock.pid" 2>/dev/null || true)
    [ ! -d "/proc/${owner:-none}" ] || die "another './just up' or './just down' is at work on $CACHE (process $owner); wait for it to end"
    end_holders_of_lock
    flock --wait 30 8 || die "a run that was killed still works on $CACHE: see $LOGS"
  fi
  echo $$ >"$CACHE/lock.pid"
}

end_holders_of_lock() {
  local file pid
  for file in /proc/[0-9]*/fd/8; do
    pid=${file#/proc/}
    pid=${pid%%/*}
    [ "$pid" = "$$" ] || [ "$pid" = "$BASHPID" ] || [ ! "$file" -ef "$CACHE/lock" ] || kill "$pid" 2>/dev/null || true
  done
}
