#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, once: what is there stays. Keep a copy of the folder apart from the database.
#   deploy/make-secrets.sh [folder, by default ./secrets] [--demo: also a certificate for *.localhost, of an authority made here]
set -eu
umask 077
folder=secrets
is_demo=
for argument in "$@"; do
  case "$argument" in
    --demo) is_demo=1 ;;
    *) folder=$argument ;;
  esac
done
mkdir -p "$folder"
chmod 700 "$folder" # the files are for the users of the containers, whoever they are; the folder is for nobody else

keep() { # name: what comes in, unless it is there
  [ ! -e "$folder/$1" ] || chmod 600 "$folder/$1"
  if [ -s "$folder/$1" ]; then cat > /dev/null; else cat > "$folder/$1"; fi
  chmod 444 "$folder/$1"
}
random() { openssl rand -hex 24; }

random | keep postgres_password
random | keep keycloak_db_password
random | keep broker_db_password
random | keep kc_bootstrap_admin_password
random | keep broker_keycloak_client_secret
random | keep broker_keycloak_launch_client_secret
echo "first:$(openssl rand -base64 32)" | keep broker_sealing_keys
echo "postgresql://broker:$(cat "$folder/broker_db_password")@postgres:5432/broker" | keep broker_database_url

if [ -n "$is_demo" ] && [ ! -e "$folder/tls.crt" ]; then
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=Demo of the Talkdesk broker" \
    -keyout "$made/ca.key" -out "$made/ca.crt" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2> /dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=broker.localhost" -keyout "$made/tls.key" -out "$made/tls.csr" 2> /dev/null
  names=DNS:broker.localhost,DNS:sso.localhost,DNS:talkdesk.localhost,DNS:wallboard.localhost
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names" > "$made/extensions"
  openssl x509 -req -in "$made/tls.csr" -CA "$made/ca.crt" -CAkey "$made/ca.key" -CAcreateserial -days 30 \
    -extfile "$made/extensions" -out "$made/tls.crt" 2> /dev/null
  for name in ca.crt tls.crt tls.key; do keep "$name" < "$made/$name"; done
fi
: | keep ca.crt # authorities that the broker and Keycloak trust, where AUTHORITIES says so
echo "secrets are in $folder"
