"""Benchmarks of what is said of traffic, against traffic of which the truth is known."""

OURS = "surge-exporter"
