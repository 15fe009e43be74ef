# shellcheck shell=bash
# prom/node-exporter, with upstream's collectors: Debian's build switches the systemd one on.

# upstream_defaults: the start script; flags may also stand in a file named as @FILE.
upstream_defaults() {
  cat <<'SCRIPT'
#!/bin/sh
for flag in "$@"; do
  case $flag in
    @*) cat "${flag#@}" ;;
    *) printf '%s\n' "$flag" ;;
  esac
done | grep -qE -e '^--(no-)?collector\.systemd(=|$)' || set -- --no-collector.systemd "$@"
exec /usr/bin/prometheus-node-exporter "$@"
SCRIPT
}

# build NAME TAG KEY: prints the image's id.
build() {
  local name=$1 tag=$2 key=$3 root=$WORK/node-exporter id
  prom_root "$root" prometheus-node-exporter
  upstream_defaults >"$root/usr/bin/node_exporter"
  chmod 755 "$root/usr/bin/node_exporter"
  id=$(import_folder "$key" "$root" 'USER nobody' 'EXPOSE 9100' 'ENTRYPOINT ["/bin/node_exporter"]')
  warn_other_version "$name" "$id" "${tag#v}" /bin/node_exporter
  echo "$id"
}
