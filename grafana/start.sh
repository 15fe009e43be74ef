#!/bin/sh
# Starts Grafana with an admin password of its own: made on the first start, kept beside Grafana's data.
# Read it with: docker compose exec grafana cat /var/lib/grafana/admin-password
#
# Grafana takes the password over only when it makes its database, so the file comes first, and none is written
# beside a database that has a password already. POSIX sh: the image has busybox.
set -eu

data=${GF_PATHS_DATA:-/var/lib/grafana}
file=$data/admin-password

fail() {
  echo "start.sh: $*" >&2
  exit 1
}

# In a subshell, so that Grafana does not inherit the umask. Under a name of its own in the same folder and then
# renamed, so that nobody ever reads half a password.
make_password() (
  umask 077
  new=$file.new
  rm -f "$new"
  LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 24 >"$new" &&
    [ "$(wc -c <"$new")" -eq 24 ] && chmod 400 "$new" && mv -f "$new" "$file"
)

if [ -n "${GF_SECURITY_ADMIN_PASSWORD:-}" ] || [ -n "${GF_SECURITY_ADMIN_PASSWORD__FILE:-}" ]; then
  : # The user has chosen one.
elif [ ! -s "$file" ] && [ -e "$data/grafana.db" ]; then
  echo "start.sh: $file is missing; the admin password in the database stays as it is." \
    "To set a new one: docker compose exec grafana grafana cli admin reset-admin-password NEW" >&2
else
  if [ ! -s "$file" ]; then
    make_password 2>/dev/null ||
      fail "can't write the admin password to $data: the volume is read-only, full, or does not belong to uid $(id -u). Give it to that uid, or remove the volume to begin anew."
  fi
  [ -r "$file" ] || fail "can't read $file as uid $(id -u). Give it to that uid."
  export GF_SECURITY_ADMIN_PASSWORD__FILE="$file"
fi

# Grafana cuts a name at its first colon: it would lead whoever asks by an IPv6 address there again and again.
case ${GF_SERVER_DOMAIN:-} in
  *:*) export GF_SERVER_ENFORCE_DOMAIN=false ;;
  # Nobody has named this host, and other machines may ask by its address: they would all be led to themselves.
  127.*) case ${PUBLISHED_AT:-} in 127.* | localhost | "") ;; *) export GF_SERVER_ENFORCE_DOMAIN=false ;; esac ;;
esac

exec /run.sh "$@"
