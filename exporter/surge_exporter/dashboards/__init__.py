"""The dashboards Grafana shows, as values made from the signals table. Pure."""
