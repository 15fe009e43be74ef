# shellcheck shell=bash
# python:X.Y-slim-SUITE: Debian SUITE with its own Python X.Y, under the paths of the official image.

# slim_down: what the build runs on the finished root file system, as the official images do.
slim_down() {
  cat <<'SCRIPT'
set -eu
cd "$1"
rm -rf etc/hostname etc/resolv.conf etc/apt/apt.conf.d/99mmdebstrap var/cache/apt/*.bin usr/share/man/* \
  usr/share/info/* usr/share/locale/*
find usr/share/doc -depth ! -type d ! -name copyright -delete
find usr/share/doc -type d -empty -delete
{
  printf 'path-exclude=/usr/share/%s/*\n' man info locale doc
  echo 'path-include=/usr/share/doc/*/copyright'
} >etc/dpkg/dpkg.cfg.d/docker
{
  printf '%s;\n' 'Dir::Cache::pkgcache ""' 'Dir::Cache::srcpkgcache ""' 'Acquire::Languages "none"' \
    'Acquire::GzipIndexes "true"' 'Acquire::Retries "3"'
  # The age check is off in the image where it is off on this host: the mirror is the same.
  apt-config dump --format '%f "%v";%n' | grep -E '^Acquire::Check-(Valid-Until|Date) ' || true
} >etc/apt/apt.conf.d/docker-clean
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
# A company's own certificate authorities, so that the image reaches what this host reaches.
mkdir -p usr/local/share/ca-certificates
cp "$HOST_CAS"/*.crt usr/local/share/ca-certificates/ 2>/dev/null || true
chroot . update-ca-certificates >/dev/null 2>&1
# Official paths: everything under /usr/local/bin and a site-packages folder.
rm -f usr/lib/python3*/EXTERNALLY-MANAGED
for name in python python3 "python$VERSION"; do ln -s "/usr/bin/python$VERSION" "usr/local/bin/$name"; done
for name in pip pip3 "pip$VERSION"; do ln -s /usr/bin/pip3 "usr/local/bin/$name"; done
mkdir -p "usr/local/lib/python$VERSION/dist-packages"
ln -s dist-packages "usr/local/lib/python$VERSION/site-packages"
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nbreak-system-packages = true\n' >etc/pip.conf
SCRIPT
}

# build NAME TAG KEY: prints the image's id.
build() {
  local name=$1 tag=$2 key=$3 version suite mirror security
  [[ $tag =~ ^([0-9]+\.[0-9]+)(\.[0-9]+)?-slim-([a-z]+)$ ]] || no_standin "$name" "its tag is not X.Y-slim-SUITE"
  version=${BASH_REMATCH[1]} suite=${BASH_REMATCH[3]}
  mirror=$(debian_mirror) security=$(debian_security_mirror)
  slim_down >"$WORK/slim-down.sh"
  # In memory where that is allowed: it halves the time.
  mkdir -p "$WORK/memory"
  mount -t tmpfs -o size=2g,mode=755 tmpfs "$WORK/memory" 2>/dev/null || true
  TMPDIR=$WORK/memory HOST_CAS=$HOST_CAS VERSION=$version mmdebstrap --quiet --variant=apt --mode=root --format=tar \
    --keyring="$DEBIAN_KEYRING" --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --include="usr-is-merged,ca-certificates,netbase,tzdata,python$version,python$version-venv,python3-pip" \
    --aptopt='Acquire::Check-Valid-Until "false"' --customize-hook="bash '$WORK/slim-down.sh' \"\$1\"" \
    "$suite" "$WORK/root.tar" "deb $mirror $suite main" "deb $mirror $suite-updates main" \
    "deb $security $suite-security main" >"$WORK/mmdebstrap.log" 2>&1 || {
    cat "$WORK/mmdebstrap.log" >&2
    fail "$name: Debian $suite could not be unpacked from $mirror; the lines above say why."
  }
  umount "$WORK/memory" 2>/dev/null || true
  local id
  id=$(import_image "$key" 'CMD ["python3"]' 'ENV LANG=C.UTF-8' \
    'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' <"$WORK/root.tar")
  warn_other_version "$name" "$id" "${tag%%-*}" python3
  echo "$id"
}
