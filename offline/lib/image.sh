# shellcheck shell=bash
# From a folder to an image: what all recipes share. WORK is a scratch folder of this run, CACHE outlives it.

# The suite whose packages are the versions that upstream's tags name.
PROM_SUITE=${PROM_SUITE:-forky}

# Marks an image as ours, with the hash of what it was made by.
STANDIN_LABEL=gte-observability.stand-in
# shellcheck disable=SC2034 # read by the recipes and by standins.sh
HOST_CAS=/usr/local/share/ca-certificates

# import_image KEY INSTRUCTION...: a root file system as tar on stdin becomes an image; prints its id.
import_image() {
  local key=$1 instruction changes=()
  shift
  for instruction in "$@" "LABEL $STANDIN_LABEL=$key"; do
    changes+=(--change "$instruction")
  done
  docker import "${changes[@]}" -
}

# import_folder KEY ROOT INSTRUCTION...: the same from a folder.
import_folder() {
  local key=$1 root=$2
  shift 2
  tar -C "$root" --sort=name --numeric-owner -c . | import_image "$key" "$@"
}

# busybox_root ROOT: busybox and glibc with upstream's users, as the base that the prom images are built on.
busybox_root() {
  local root=$1 folder
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
  for folder in bin sbin lib lib64; do
    ln -s "usr/$folder" "$root/$folder"
  done
  unpack_packages "$CACHE/$PROM_SUITE" "$PROM_SUITE" "$root" libc6 busybox-static tzdata
  chroot "$root" /usr/bin/busybox --install -s /usr/bin
  mkdir -p "$root"/{dev,proc,sys,root,home,etc/ssl/certs}
  install -d -m 1777 "$root/tmp"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/home:/bin/false' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'nobody:x:65534:' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
}

# prom_root ROOT PACKAGE...: busybox_root and the packages, without what no container uses.
prom_root() {
  local root=$1
  shift
  [ -e "$WORK/busybox" ] || busybox_root "$WORK/busybox"
  cp -a "$WORK/busybox" "$root"
  unpack_packages "$CACHE/$PROM_SUITE" "$PROM_SUITE" "$root" "$@"
  rm -rf "$root"/usr/share/{doc,man,lintian,bash-completion,initramfs-tools} "$root"/usr/lib/systemd \
    "$root"/etc/{init.d,default,logrotate.d} "$root"/usr/lib/*/gconv
}

# warn_other_version NAME IMAGE_ID WANTED COMMAND...: warn when Debian's package is not of the tag's version.
warn_other_version() {
  local name=$1 id=$2 wanted=$3 output
  shift 3
  output=$(docker run --rm --network none --entrypoint '' "$id" "$@" --version 2>&1) ||
    fail "$name: the stand-in does not run: $output"
  case " ${output//[!0-9.]/ } " in
    *" $wanted "* | *" $wanted."*) ;;
    *) echo "WARNING: $name: Debian has another version than the tag says: ${output%%$'\n'*}" >&2 ;;
  esac
}
