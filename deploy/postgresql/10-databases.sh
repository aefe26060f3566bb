#!/bin/sh
# First start of the database server: a role and a database of its own for Keycloak and for the broker.
set -eu
for name in keycloak broker; do
  psql --set ON_ERROR_STOP=1 --set name="$name" --set password="$(cat "${SECRETS_DIR:-/run/secrets}/${name}_db_password")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
SQL
done
