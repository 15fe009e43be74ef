# shellcheck shell=bash
# grafana/grafana, from the archive that Grafana publishes: GRAFANA_ARCHIVE names it, for example
# grafana-12.4.0.linux-amd64.tar.gz. With GRAFANA_ARCHIVE_SHA256 its contents are checked first.

# start_script: /run.sh, the entrypoint. Settings come from GF_*, secrets also from files that GF_*__FILE name.
start_script() {
  cat <<'SCRIPT'
#!/bin/sh
set -eu
fail() {
  echo "run.sh: $*" >&2
  exit 1
}
for name in $(env | sed -n 's/^\(GF_[A-Za-z0-9_]*\)__FILE=..*/\1/p'); do
  eval "file=\$${name}__FILE value=\${$name:-}"
  [ -z "$value" ] || fail "both $name and ${name}__FILE are set; set one of them."
  [ -r "$file" ] || fail "${name}__FILE is $file, which can't be read."
  export "$name=$(cat "$file")"
  unset "${name}__FILE"
done
for folder in "$GF_PATHS_DATA" "$GF_PATHS_LOGS"; do
  [ -w "$folder" ] || fail "$folder can't be written as uid $(id -u). Give it to that uid, or mount another."
done
exec grafana server --homepath="$GF_PATHS_HOME" --config="$GF_PATHS_CONFIG" --packaging=docker "$@" \
  cfg:default.log.mode=console cfg:default.paths.data="$GF_PATHS_DATA" cfg:default.paths.logs="$GF_PATHS_LOGS" \
  cfg:default.paths.plugins="$GF_PATHS_PLUGINS" cfg:default.paths.provisioning="$GF_PATHS_PROVISIONING"
SCRIPT
}

# check_sum: compare the archive with GRAFANA_ARCHIVE_SHA256, where that is given.
check_sum() {
  local wanted=${GRAFANA_ARCHIVE_SHA256-} found
  [ -n "$wanted" ] || return 0
  [[ $wanted =~ ^[0-9a-fA-F]{64}$ ]] || fail "GRAFANA_ARCHIVE_SHA256 is '$wanted': write the 64 digits that stand beside the archive."
  found=$(sha256sum <"$GRAFANA_ARCHIVE" | cut -c 1-64)
  [ "$found" = "${wanted,,}" ] ||
    fail "the SHA-256 of $GRAFANA_ARCHIVE is $found, and GRAFANA_ARCHIVE_SHA256 says ${wanted,,}: it is damaged, or another file. Fetch it again."
}

# program_architecture FILE: amd64, arm64, or what else the program is made for; empty where it doesn't say.
program_architecture() {
  [ "$(head -c 4 "$1" | od -An -c | tr -d ' ')" = '177ELF' ] || return 0
  case $(od -An -tx1 -j18 -N2 "$1" | tr -d ' ') in
    3e00) echo amd64 ;;
    b700) echo arm64 ;;
    2800) echo armhf ;;
    *) echo 'another architecture' ;;
  esac
}

# unpack_archive TAG FOLDER: the contents of the archive's only folder, once they are known to be what TAG names.
unpack_archive() {
  local tag=$1 folder=$2 host version made_for
  host=$(dpkg --print-architecture)
  mkdir -p "$folder"
  tar -xz --no-same-owner --strip-components=1 -C "$folder" -f "$GRAFANA_ARCHIVE" ||
    fail "$GRAFANA_ARCHIVE can't be unpacked: it is damaged, or no .tar.gz. Fetch it again."
  [ -f "$folder/bin/grafana" ] && [ -f "$folder/conf/defaults.ini" ] && [ -d "$folder/public" ] ||
    fail "$GRAFANA_ARCHIVE is not Grafana's archive: bin/grafana, conf/defaults.ini or public/ is missing. Take grafana-$tag.linux-$host.tar.gz."
  version=$(cat "$folder/VERSION" 2>/dev/null || true)
  [ "${version#v}" = "$tag" ] ||
    fail "$GRAFANA_ARCHIVE holds Grafana ${version:-of an unknown version}, and compose.yaml names $tag. Take grafana-$tag.linux-$host.tar.gz."
  made_for=$(program_architecture "$folder/bin/grafana")
  [ -z "$made_for" ] || [ "$made_for" = "$host" ] ||
    fail "$GRAFANA_ARCHIVE is made for $made_for, and this host is $host. Take grafana-$tag.linux-$host.tar.gz."
}

# build NAME TAG KEY: prints the image's id.
build() {
  local name=$1 tag=$2 key=$3 root=$WORK/grafana id
  check_sum
  unpack_archive "$tag" "$WORK/unpacked"
  prom_root "$root" musl
  mv "$WORK/unpacked" "$root/usr/share/grafana"
  chmod -R a+rX "$root/usr/share/grafana"
  echo 'grafana:x:472:0:grafana:/usr/share/grafana:/bin/false' >>"$root/etc/passwd"
  install -d "$root/etc/grafana" "$root"/etc/grafana/provisioning/{alerting,dashboards,datasources,plugins}
  cp "$root/usr/share/grafana/conf/sample.ini" "$root/etc/grafana/grafana.ini" 2>/dev/null || : >"$root/etc/grafana/grafana.ini"
  install -d -o 472 -g 0 -m 777 "$root"/var/{lib,log}/grafana "$root/var/lib/grafana/plugins"
  start_script >"$root/run.sh"
  chmod 755 "$root/run.sh"
  id=$(import_folder "$key" "$root" 'USER 472' 'WORKDIR /usr/share/grafana' 'EXPOSE 3000' 'ENTRYPOINT ["/run.sh"]' \
    'ENV PATH=/usr/share/grafana/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    'ENV GF_PATHS_HOME=/usr/share/grafana' 'ENV GF_PATHS_CONFIG=/etc/grafana/grafana.ini' \
    'ENV GF_PATHS_DATA=/var/lib/grafana' 'ENV GF_PATHS_PLUGINS=/var/lib/grafana/plugins' \
    'ENV GF_PATHS_LOGS=/var/log/grafana' 'ENV GF_PATHS_PROVISIONING=/etc/grafana/provisioning')
  warn_other_version "$name" "$id" "$tag" grafana
  echo "$id"
}
