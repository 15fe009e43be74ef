# shellcheck shell=bash
# prom/prometheus: Debian's build has the whole API and promtool, and no web page.

# build NAME TAG KEY: prints the image's id.
build() {
  local name=$1 tag=$2 key=$3 root=$WORK/prometheus id
  prom_root "$root" prometheus promtool
  rm -rf "$root"/etc/prometheus/*
  printf '%s\n' 'global: {scrape_interval: 15s}' 'scrape_configs:' \
    '  - {job_name: prometheus, static_configs: [{targets: ["localhost:9090"]}]}' >"$root/etc/prometheus/prometheus.yml"
  install -d "$root/prometheus"
  # Where Debian's build keeps its data when no flag says otherwise.
  rm -rf "$root/var/lib/prometheus/metrics2"
  ln -s /prometheus "$root/var/lib/prometheus/metrics2"
  chown -R 65534:65534 "$root/prometheus" "$root/etc/prometheus"
  id=$(import_folder "$key" "$root" 'USER nobody' 'WORKDIR /prometheus' 'VOLUME /prometheus' 'EXPOSE 9090' \
    'ENTRYPOINT ["/bin/prometheus"]' \
    'CMD ["--config.file=/etc/prometheus/prometheus.yml","--storage.tsdb.path=/prometheus"]')
  warn_other_version "$name" "$id" "${tag#v}" /bin/prometheus
  echo "$id"
}
