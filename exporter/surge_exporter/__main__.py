"""`python -m surge_exporter` is `surge-exporter`."""

from surge_exporter.cli import main

main()
