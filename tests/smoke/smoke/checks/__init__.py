"""All the checks, in the order in which they are made."""

from smoke.checks import alerts, counting, grafana, gte_metrics, gte_service, node_exporter, prometheus

# Slow checks come where their waiting costs least: the end of an alert is told while counters are compared.
CHECKS = (
    *gte_service.CHECKS,
    *gte_metrics.CHECKS,
    *prometheus.CHECKS,
    *alerts.CHECKS,
    *counting.CHECKS,
    *node_exporter.CHECKS,
    *grafana.CHECKS,
    *alerts.LATE_CHECKS,
)
