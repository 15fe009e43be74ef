"""All the checks, in the order in which they are made."""

from smoke.checks import alerts, counting, grafana, gte_metrics, gte_service, node_exporter, prometheus

# What raises counters comes before what compares them, and nothing that raises them comes in between.
CHECKS = (
    *gte_service.CHECKS,
    *gte_metrics.CHECKS,
    *prometheus.CHECKS,
    *counting.CHECKS,
    *alerts.CHECKS,
    *node_exporter.CHECKS,
    *grafana.CHECKS,
)
