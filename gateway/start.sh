#!/bin/sh
# Writes the settings of .env into files that nginx.conf includes, because nginx reads no variables; then starts nginx.
set -eu

# Limits are for each client address. A flood must end here; what a replica can compute is its own business (503).
cat >/run/gateway-http.conf <<CONF
limit_conn_zone \$binary_remote_addr zone=connections:2m;
limit_req_zone \$binary_remote_addr zone=requests:2m rate=${GATEWAY_REQUESTS_PER_SECOND}r/s;
CONF
# compose.yaml gives /tmp so much.
TMP_BYTES=268435456
# A replica answers late requests itself, with 504, and has 15 s more for the last of them.
cat >/run/gateway-server.conf <<CONF
limit_conn connections ${GATEWAY_CONNECTIONS};
limit_conn large_bodies $((TMP_BYTES * 3 / 4 / GTE_MAX_BODY_BYTES + 1));
limit_req zone=requests burst=${GATEWAY_REQUESTS_PER_SECOND} nodelay;
client_max_body_size ${GTE_MAX_BODY_BYTES};
proxy_read_timeout $((GTE_DEADLINE_SECONDS + 15))s;
proxy_send_timeout $((GTE_DEADLINE_SECONDS + 15))s;
CONF
exec nginx -e stderr -c /etc/gateway/nginx.conf -g 'daemon off;'
