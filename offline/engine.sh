#!/usr/bin/env bash
# engine.sh [install|start]: a container engine (Docker Engine, Compose, Buildx) from Debian packages, for a
# Debian host that has none and no systemd to run one. Without an argument: install, then start. Repeatable.
#   DEBIAN_MIRROR   the mirror to use instead of the host's own
#   ENGINE_PREFIX   where the engine's programs go (default /opt/docker)
#   ENGINE_PLUGINS  where Compose and Buildx go (default /usr/local/lib/docker/cli-plugins)
#   ENGINE_LOG      its log (default /var/log/dockerd.log)
#   ENGINE_ARGS     further arguments for dockerd
set -euo pipefail
shopt -s inherit_errexit
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib/debian.sh
source "$HERE/lib/debian.sh"

# The suite whose packages are new enough; its Go programs need glibc 2.34, and Debian 12 has 2.36.
ENGINE_SUITE=${ENGINE_SUITE:-forky}
PREFIX=${ENGINE_PREFIX:-/opt/docker}
LOG=${ENGINE_LOG:-/var/log/dockerd.log}
PLUGINS=${ENGINE_PLUGINS:-/usr/local/lib/docker/cli-plugins}

# answers: does an engine answer? Prints its version.
answers() {
  docker version --format '{{.Server.Version}}' 2>/dev/null
}

# engine_program: the host's own dockerd where it has one, else ours.
engine_program() {
  type -P dockerd || echo "$PREFIX/dockerd"
}

# installed: are the engine, its plug-ins and the host tools it needs all there?
installed() {
  [ -x "$(engine_program)" ] && type -P docker runc iptables >/dev/null &&
    docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1
}

# install_engine: fetch the packages, and put their programs under PREFIX and among Docker's plug-ins.
install_engine() {
  local work
  ! installed || return 0
  install_host_tools runc:runc iptables:iptables tini-static:tini
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder's name is wanted as it is now
  trap "rm -rf '$work'" EXIT
  echo "fetching Docker Engine, Compose and Buildx from Debian $ENGINE_SUITE" >&2
  mkdir -p "$work/root" "$PREFIX" "$PLUGINS"
  unpack_packages "$work" "$ENGINE_SUITE" "$work/root" docker.io docker-cli containerd docker-compose docker-buildx
  install -m 755 "$work"/root/usr/libexec/docker/cli-plugins/docker-{compose,buildx} "$PLUGINS/"
  type -P docker >/dev/null || install -m 755 "$work/root/usr/bin/docker" /usr/local/bin/docker
  ln -sf /usr/bin/tini-static "$PREFIX/docker-init"
  install -m 755 "$work"/root/usr/bin/{containerd,containerd-shim-runc-v2} \
    "$work"/root/usr/sbin/{docker-proxy,dockerd} "$PREFIX/"
}

# clear_stale_pids: an engine that was killed leaves its pid files, and the next one would refuse to start.
clear_stale_pids() {
  local file
  for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
    [ -s "$file" ] || continue
    [[ $(cat "/proc/$(cat "$file")/comm" 2>/dev/null) =~ ^(dockerd|containerd)$ ]] || rm -f "$file"
  done
}

# start_engine: start dockerd in the background and wait until it answers; nothing to do when one answers.
start_engine() {
  ! answers >/dev/null || return 0
  mountpoint -q /sys/fs/cgroup || fail "no cgroups are mounted on this host: apt-get install cgroupfs-mount, then try again."
  clear_stale_pids
  # systemd does the same at boot; without it no bind mount can ask for slave propagation.
  mount --make-rshared / 2>/dev/null || true
  # shellcheck disable=SC2086 # ENGINE_ARGS is a list of words
  PATH=$PREFIX:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setsid nohup "$(engine_program)" --log-level warn --log-opt max-size=10m --log-opt max-file=2 \
    ${ENGINE_ARGS-} >>"$LOG" 2>&1 </dev/null &
  for _ in $(seq 120); do
    ! answers >/dev/null || return 0
    sleep 0.5
  done
  tail -n 20 "$LOG" >&2
  fail "the engine does not answer after a minute; the lines above are the end of $LOG."
}

case ${1-both} in
  install) require_debian_root; install_engine ;;
  start) require_debian_root; start_engine ;;
  both)
    require_debian_root
    install_engine
    start_engine
    echo "Docker Engine $(answers) answers" ;;
  *) fail "unknown argument '$1': give install, start, or nothing for both." ;;
esac
