# shellcheck shell=bash
# Programs from Python packages, each in an environment of its own in the cache; all versions are pinned, those of dependencies too.

# Into a folder that is named after the version. The last thing written says that it is complete, and of what.
install_python_program() { # FOLDER REQUIREMENTS KEY
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/pip" install --disable-pip-version-check --no-deps --requirement "$2"
  "$1/bin/pip" check
  echo "$3" >"$1/complete"
}

python_folder() { # NAME REQUIREMENTS
  echo "$CACHE/$1-$(sed -n "s/^$1==//p" "$2")"
}

python_program() { # NAME REQUIREMENTS
  local folder key
  folder=$(python_folder "$1" "$2")
  key=$(sha256sum <"$2")
  if [ "$(cat "$folder/complete" 2>/dev/null)" = "$key" ]; then
    skip "${folder##*/}" "installed"
  else
    step "$1" "${folder##*/} (first time about 20 s)" "pip's message is above" install_python_program "$folder" "$2" "$key"
  fi
}
