"""The program that writes the dashboards in `grafana/dashboards`; Grafana reads only the JSON."""
