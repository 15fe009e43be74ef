// Counts what nginx has answered, and shows the counts to Prometheus.

// Probes and the page's files are frequent and would bury the other lines of the log.
const QUIET = /^(\/gte)?\/(healthz$|readyz$|static\/)/;

const HELP = {
  nginx_http_requests_total: ['counter', 'Finished requests by task ("" where no replica has answered one) and HTTP status.'],
  nginx_upstream_retries_total: ['counter', 'Requests passed on to another replica, because one could not be reached.'],
  nginx_connections_active: ['gauge', 'Connections of clients.'],
  nginx_connections_reading: ['gauge', 'Connections whose request is arriving.'],
  nginx_connections_writing: ['gauge', 'Connections whose request is being answered.'],
  nginx_connections_waiting: ['gauge', 'Connections that are kept open between requests.'],
};

// Count a finished request; '1' if it gets a line in the log, '' if not.
function count(r) {
  const v = r.variables;
  const counts = ngx.shared.counts;
  // gte-service names the task of its answers. It counts a request as nginx does: by the task, not by what was sent.
  counts.incr(`nginx_http_requests_total{task_type="${v.upstream_http_x_task_type || ''}",code="${v.status}"}`, 1, 0);
  // Each address after the first is that of a replica that was asked because the one before could not be reached.
  counts.incr('nginx_upstream_retries_total', Math.max(0, (v.upstream_addr || '').split(/:\d+/).length - 2), 0);
  return QUIET.test(v.uri) && v.status < 400 ? '' : '1';
}

// GET /metrics, in Prometheus' text format.
function show(r) {
  const samples = ngx.shared.counts.items().map((item) => `${item[0]} ${item[1]}`);
  ['active', 'reading', 'writing', 'waiting'].forEach((state) => {
    samples.push(`nginx_connections_${state} ${r.variables['connections_' + state]}`);
  });
  const text = Object.keys(HELP).map((name) => {
    const own = samples.filter((sample) => sample.split(/[{ ]/)[0] === name).sort();
    return `# HELP ${name} ${HELP[name][1]}\n# TYPE ${name} ${HELP[name][0]}\n${own.map((line) => line + '\n').join('')}`;
  });
  r.headersOut['Content-Type'] = 'text/plain; version=0.0.4; charset=utf-8';
  r.return(200, text.join(''));
}

export default { count, show };
