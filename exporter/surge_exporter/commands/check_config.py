"""`check-config`: whether a configuration can be used, and what it resolves to."""

from pathlib import Path

import click

from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.web.server import parse_address


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
def check_config(file: Path) -> None:
    """Check FILE and print it with every default filled in. Exits with 2 if it can't be used."""
    config = options.load_config(file)
    try:
        for address in config.web.listen_addresses:
            parse_address(address)
    except ValueError as error:
        raise Fault(f"{file}: web.listen_addresses: {error}", USAGE_ERROR) from error
    click.echo(configuration.to_yaml(config), nl=False)
