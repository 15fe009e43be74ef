#!/usr/bin/env bash
# standins.sh [-f] IMAGE...: stand-ins for upstream images, built from Debian packages and tagged under exactly
# the name given (with or without a registry), for a host that reaches no container registry.
# An image that is there is left alone: the real one, or a stand-in that is up to date. -f remakes stand-ins.
#   DEBIAN_MIRROR   the mirror to use instead of the host's own
#   GRAFANA_ARCHIVE and GRAFANA_ARCHIVE_SHA256   Grafana's own archive for grafana/grafana, and its checksum
#   STANDIN_CACHE   where downloaded packages are kept (default /var/cache/gte-observability)
# Exit status: 0 done, 2 no stand-in exists for one of the images, 1 anything else.
set -euo pipefail
shopt -s inherit_errexit
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib/debian.sh
source "$HERE/lib/debian.sh"
# shellcheck source-path=SCRIPTDIR source=lib/image.sh
source "$HERE/lib/image.sh"
CACHE=${STANDIN_CACHE:-/var/cache/gte-observability}

# no_standin NAME REASON: stop with the status that tells a caller to do without the image.
no_standin() {
  echo "standins.sh: no stand-in exists for $1: $2." >&2
  exit 2
}

# split_name NAME: sets REPOSITORY (as on the official registry, whatever mirror it comes from) and TAG.
split_name() {
  local path=${1%:*} last=${1##*/}
  case $last in
    *@* | *[!:]:*:*) no_standin "$1" "only a name with a tag can be stood in for" ;;
    *:*) TAG=${last##*:} ;;
    *) no_standin "$1" "its name has no tag" ;;
  esac
  local -a parts
  IFS=/ read -r -a parts <<<"$path"
  # A first part with a dot or a colon is a registry's address.
  if [ ${#parts[@]} -gt 1 ] && [[ ${parts[0]} == *[.:]* || ${parts[0]} == localhost ]]; then
    parts=("${parts[@]:1}")
  fi
  REPOSITORY=${parts[*]: -1}
  [ ${#parts[@]} -lt 2 ] || REPOSITORY=${parts[*]: -2:1}/$REPOSITORY
  REPOSITORY=${REPOSITORY#library/}
}

# recipe_for NAME: the recipe's file for REPOSITORY.
recipe_for() {
  case $REPOSITORY in
    python) echo "$HERE/recipes/python.sh" ;;
    prom/prometheus) echo "$HERE/recipes/prometheus.sh" ;;
    prom/alertmanager) echo "$HERE/recipes/alertmanager.sh" ;;
    prom/node-exporter) echo "$HERE/recipes/node-exporter.sh" ;;
    nginx) echo "$HERE/recipes/nginx.sh" ;;
    grafana/grafana)
      if [ -z "${GRAFANA_ARCHIVE-}" ]; then
        docker image inspect "$1" >/dev/null 2>&1 ||
          no_standin "$1" "Debian has no package of it, and GRAFANA_ARCHIVE names no archive of Grafana's own"
      elif [ ! -f "$GRAFANA_ARCHIVE" ] || [ ! -r "$GRAFANA_ARCHIVE" ]; then
        fail "GRAFANA_ARCHIVE is '$GRAFANA_ARCHIVE', which is no file that can be read. Correct it, or remove it from .env."
      fi
      echo "$HERE/recipes/grafana.sh" ;;
    *) no_standin "$1" "Debian has no package that could take its place" ;;
  esac
}

# recipe_key RECIPE: changes with whatever goes into the image.
recipe_key() {
  local archive=/dev/null
  [[ $1 != */grafana.sh ]] || archive=${GRAFANA_ARCHIVE:-/dev/null}
  { cat "$HERE"/lib/*.sh "$1" "$archive"; cat "$HOST_CAS"/*.crt 2>/dev/null || true; } | sha256sum | cut -c 1-16
}

# ensure NAME: make the stand-in where it is missing, and remake it where its recipe has changed or -f asks for it.
ensure() {
  local name=$1 recipe key mark id old='' from='' started=$SECONDS
  split_name "$name"
  [ "$REPOSITORY" != grafana/grafana ] || from=${GRAFANA_ARCHIVE-}
  recipe=$(recipe_for "$name")
  key=$(recipe_key "$recipe")
  if old=$(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null); then
    mark=$(docker image inspect --format "{{with .Config.Labels}}{{index . \"$STANDIN_LABEL\"}}{{end}}" "$name")
    if [ -z "$mark" ] || [ "$mark" = "$key" ] && [ -z "$FORCE" ]; then
      return 0
    fi
    # Without the archive that it was made from it can't be made again.
    [ "$REPOSITORY" != grafana/grafana ] || [ -n "${GRAFANA_ARCHIVE-}" ] || return 0
  fi
  echo "$name: building a stand-in from ${from:-Debian packages}" >&2
  id=$(
    # shellcheck source=/dev/null # one of recipes/*.sh
    source "$recipe"
    build "$name" "$TAG" "$key"
  )
  docker tag "$id" "$name"
  echo "$name: built in $((SECONDS - started)) s" >&2
  # Containers that still run on the old one keep it; then this fails, and that is fine.
  [ -z "$old" ] || [ "$old" = "$id" ] || docker image rm "$old" >/dev/null 2>&1 || true
}

# prepare_host: root, the tools that the recipes call, and a scratch folder that goes when this run ends.
prepare_host() {
  require_debian_root
  install_host_tools mmdebstrap:mmdebstrap
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock 9
  WORK=$(mktemp -d "$CACHE/work.XXXXXX")
  trap 'umount "$WORK/memory" 2>/dev/null || true; rm -rf "$WORK"' EXIT
}

FORCE=''
if [ "${1-}" = -f ]; then
  FORCE=1
  shift
fi
[ $# -gt 0 ] || fail "name the images, for example: $0 prom/prometheus:v3.5.3"
for image; do
  split_name "$image"
  recipe_for "$image" >/dev/null
done
prepare_host
for image; do
  ensure "$image"
done
