"""The program that writes Grafana's dashboards; Grafana itself reads only what lies in the folders here."""
