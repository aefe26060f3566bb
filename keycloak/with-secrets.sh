#!/bin/bash
# Runs a command with every file of /run/secrets as a variable: kc_db_password is KC_DB_PASSWORD. Keycloak itself reads no such files.
# Nothing but bash is needed: Keycloak's image has little else.
set -euo pipefail
shopt -s nullglob
for file in "${SECRETS_DIR:-/run/secrets}"/*; do
  name="${file##*/}"
  if [[ -f "$file" && "$name" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; then
    export "${name^^}=$(<"$file")"
  fi
done
exec "$@"
