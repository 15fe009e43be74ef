# shellcheck shell=bash
# Debian packages without touching the host's own package lists: used by engine.sh and the recipes.

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# fail MESSAGE: print it as an error and stop.
fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# require_debian_root: everything here unpacks packages as root and asks apt for them.
require_debian_root() {
  [ "$(id -u)" = 0 ] || fail "must run as root (it unpacks Debian packages)."
  type -P apt-get dpkg-deb >/dev/null || fail "needs Debian: apt-get or dpkg-deb is missing here."
}

# install_host_tools COMMAND:PACKAGE...: install the packages whose command is missing on this host.
install_host_tools() {
  local pair missing=()
  for pair; do
    type -P "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ -e "$DEBIAN_KEYRING" ] || missing+=(debian-archive-keyring)
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing on this host: ${missing[*]}" >&2
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    "${missing[@]}" ca-certificates >/dev/null
}

# host_mirror ARCHIVE: the mirror of that archive (debian, debian-security) in this host's apt settings.
host_mirror() {
  # shellcheck disable=SC2016 # $(REPO_URI) is apt's own placeholder
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    sed -n "s#\(/$1\)/*\$#\1#p" | head -n 1
}

# debian_mirror: $DEBIAN_MIRROR, else the host's own mirror.
debian_mirror() {
  local mirror=${DEBIAN_MIRROR-}
  [ -n "$mirror" ] || mirror=$(host_mirror debian)
  [ -n "$mirror" ] ||
    fail "no Debian mirror is configured for apt on this host: name one, for example: make up DEBIAN_MIRROR=http://mirror.example/debian"
  echo "${mirror%/}"
}

# debian_security_mirror: beside $DEBIAN_MIRROR, as every full mirror has it; else the host's own.
debian_security_mirror() {
  local mirror=''
  [ -n "${DEBIAN_MIRROR-}" ] || mirror=$(host_mirror debian-security)
  [ -n "$mirror" ] || mirror=$(debian_mirror)-security
  echo "$mirror"
}

# suite_apt FOLDER SUITE ARGUMENT...: apt-get that knows one suite only and keeps its lists in FOLDER.
# Signatures are checked; the age of the lists is not, because a mirror may lag behind.
suite_apt() {
  local folder=$1 suite=$2 source
  shift 2
  mkdir -p "$folder"/lists/partial "$folder"/archives/partial
  source="deb [signed-by=$DEBIAN_KEYRING] $(debian_mirror) $suite main"
  if [ "$(cat "$folder/sources.list" 2>/dev/null)" != "$source" ]; then
    echo "$source" >"$folder/sources.list"
    rm -f "$folder/updated"
  fi
  apt-get -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$folder/lists" -o Dir::State::Status=/dev/null -o Dir::Cache="$folder" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 \
    -o Acquire::Check-Valid-Until=false "$@"
}

# download_debs FOLDER SUITE PACKAGE...: fetch what is not there yet into FOLDER/debs; prints the file names.
download_debs() {
  local folder=$1 suite=$2
  shift 2
  mkdir -p "$folder/debs"
  # Lists younger than half a day are good enough: a stand-in is not worth an update each time.
  if [ -z "$(find "$folder/updated" -mmin -720 2>/dev/null)" ]; then
    suite_apt "$folder" "$suite" update --error-on=any >&2 || return
    touch "$folder/updated"
  fi
  (cd "$folder/debs" && suite_apt "$folder" "$suite" download "$@") >&2 || return
  # Asked from another folder: apt does not name a package whose file is in the current one.
  (cd "$folder" && suite_apt "$folder" "$suite" download --print-uris "$@") |
    awk -v folder="$folder/debs/" '{print folder $2}'
}

# unpack_packages FOLDER SUITE ROOT PACKAGE...: fetch packages and unpack them over ROOT; their maintainer
# scripts do not run.
unpack_packages() {
  local folder=$1 suite=$2 root=$3 deb debs
  shift 3
  debs=$(download_debs "$folder" "$suite" "$@") ||
    fail "packages of Debian $suite could not be fetched from $(debian_mirror); the lines above tell why. Name a mirror that this host reaches: make up DEBIAN_MIRROR=http://mirror.example/debian"
  while read -r deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink
  done <<<"$debs"
}
