# shellcheck shell=bash
# prom/alertmanager: Debian's build has the whole API and amtool, and no web page.

# build NAME TAG KEY: prints the image's id.
build() {
  local name=$1 tag=$2 key=$3 root=$WORK/alertmanager id
  prom_root "$root" prometheus-alertmanager
  ln -s prometheus-alertmanager "$root/usr/bin/alertmanager"
  install -d "$root/etc/alertmanager" "$root/alertmanager"
  printf '%s\n' 'route: {receiver: default}' 'receivers: [{name: default}]' >"$root/etc/alertmanager/alertmanager.yml"
  # Debian's build has other default places: they lead to upstream's.
  ln -sf ../alertmanager/alertmanager.yml "$root/etc/prometheus/alertmanager.yml"
  rm -rf "$root/var/lib/prometheus/alertmanager"
  ln -s /alertmanager "$root/var/lib/prometheus/alertmanager"
  chown -R 65534:65534 "$root/alertmanager" "$root/etc/alertmanager"
  id=$(import_folder "$key" "$root" 'USER nobody' 'WORKDIR /alertmanager' 'VOLUME /alertmanager' 'EXPOSE 9093' \
    'ENTRYPOINT ["/bin/alertmanager"]' \
    'CMD ["--config.file=/etc/alertmanager/alertmanager.yml","--storage.path=/alertmanager"]')
  warn_other_version "$name" "$id" "${tag#v}" /bin/alertmanager
  echo "$id"
}
