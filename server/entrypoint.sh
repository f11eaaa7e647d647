#!/bin/sh
# Starts the server in a container, with the variables that rest-server's image has:
#   DATA_DIRECTORY          where the repositories are (/data)
#   PASSWORD_FILE           users and their hashes (/data/.htpasswd); made with a first user when missing
#   DISABLE_AUTHENTICATION  anything but empty: let everybody in
#   OPTIONS                 further flags, split at blanks
set -eu

data_directory="${DATA_DIRECTORY:-/data}"
password_file="${PASSWORD_FILE:-/data/.htpasswd}"
umask 077

if [ -n "${DISABLE_AUTHENTICATION:-}" ]; then
  set -- --no-auth
else
  set -- --htpasswd-file "$password_file" --create-first-user
fi

# OPTIONS is a list of words on purpose. exec: signals must reach the server itself.
# shellcheck disable=SC2086
exec node "${COFFER_SERVER:-/app/dist/server/main.js}" --path "$data_directory" "$@" ${OPTIONS:-}
