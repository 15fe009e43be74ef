"""Reads what Grafana's own alerting adds to an alert: its figures, and its links.

The fields are those of Grafana's webhook contact point, version "1":
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from typing import Final

from alert_inbox.payload import Document

_FIELDS: Final = ("silenceURL", "dashboardURL", "panelURL", "valueString", "values")


def is_grafanas(alert: Document) -> bool:
    """Tell whether Grafana has sent the alert, and not Alertmanager."""
    return any(field in alert for field in _FIELDS)


def figures(alert: Document) -> str:
    """Return the values of the rule's queries, such as `A = 44.239, C = 1`; empty where there are none."""
    values = alert.get("values")
    if isinstance(values, dict) and values:
        return ", ".join(f"{name} = {_number(value)}" for name, value in sorted(values.items()))
    # Before Grafana 10 there was only this.
    return _text(alert, "valueString")


def dashboard_url(alert: Document) -> str:
    """Return the address of the rule's panel, or else of its dashboard; empty if it has neither."""
    return _text(alert, "panelURL") or _text(alert, "dashboardURL")


def silence_url(alert: Document) -> str:
    """Return the address of Grafana's page that silences the alert."""
    return _text(alert, "silenceURL")


def _text(alert: Document, name: str) -> str:
    value = alert.get(name)
    return value if isinstance(value, str) else ""


def _number(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
