# shellcheck shell=bash
# nginx:X-alpine: nginx with its JavaScript module and busybox, as upstream's image of this kind has them.

# build NAME TAG KEY: prints the image's id.
build() {
  local name=$1 tag=$2 key=$3 root=$WORK/nginx id
  [[ $tag =~ ^[0-9.]+-alpine$ ]] || no_standin "$name" "its tag is not X-alpine"
  prom_root "$root" nginx nginx-common libnginx-mod-http-js \
    libcrypt1 libpcre2-8-0 libqjs0 libssl3t64 libxml2-16 libzstd1 zlib1g
  rm -rf "$root"/etc/nginx/{sites-*,modules-*,snippets} "$root"/etc/ufw "$root"/usr/share/nginx/modules-available
  printf '%s\n' 'user nginx;' 'worker_processes auto;' 'error_log /var/log/nginx/error.log notice;' \
    'pid /run/nginx.pid;' 'events { worker_connections 1024; }' \
    'http { include mime.types; access_log /var/log/nginx/access.log; include conf.d/*.conf; }' >"$root/etc/nginx/nginx.conf"
  echo 'server { listen 80; root /usr/share/nginx/html; }' >"$root/etc/nginx/conf.d/default.conf"
  ln -s /usr/lib/nginx/modules "$root/etc/nginx/modules"
  echo 'nginx:x:101:101:nginx:/var/cache/nginx:/sbin/nologin' >>"$root/etc/passwd"
  echo 'nginx:x:101:' >>"$root/etc/group"
  # Where Debian's build keeps its temporary files.
  rm -rf "$root/var/lib/nginx"
  install -d "$root/var/log/nginx" "$root/var/lib" "$root/run"
  install -d -o 101 -g 101 "$root/var/cache/nginx"
  ln -s /var/cache/nginx "$root/var/lib/nginx"
  ln -sf /dev/stdout "$root/var/log/nginx/access.log"
  ln -sf /dev/stderr "$root/var/log/nginx/error.log"
  id=$(import_folder "$key" "$root" 'EXPOSE 80' 'STOPSIGNAL SIGQUIT' 'CMD ["nginx","-g","daemon off;"]')
  warn_other_version "$name" "$id" "${tag%%-*}" sh -c 'nginx -v'
  echo "$id"
}
