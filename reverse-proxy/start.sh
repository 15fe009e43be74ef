#!/bin/sh
# Starts nginx with the names that this host is asked by, besides addresses: nginx can't read the environment.
# A `*` in a setting is no pattern for files here.
set -euf

fail() {
  echo "start.sh: '$1' is no host name. Write names alone into PUBLIC_HOST and ALLOWED_HOSTS in .env, without http://" \
    "or a port." >&2
  exit 1
}

names="localhost prometheus alertmanager node-exporter reverse-proxy"
for name in $names $(echo "$PUBLIC_HOST,$ALLOWED_HOSTS" | tr ',' ' '); do
  case $name in
    # An IPv6 address, which nginx.conf knows anyway.
    *:*) [ -z "$(echo "$name" | tr -d '][0-9A-Fa-f:.')" ] || fail "$name" ;;
    *[!A-Za-z0-9._-]*) fail "$name" ;;
    *) echo "~*^$(echo "${name%.}" | sed 's/\./\\./g')\$ 1;" ;;
  esac
done >/tmp/names.conf
exec nginx -c /etc/reverse-proxy/nginx.conf
