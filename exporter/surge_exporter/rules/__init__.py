"""The rules Prometheus evaluates, as values made from the signals table. Pure."""
