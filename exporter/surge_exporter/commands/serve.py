"""`serve`: the exporter itself."""

from pathlib import Path

import click
import msgspec

from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.exporter import Exporter
from surge_exporter.config import Config
from surge_exporter.runtime.clock import SystemClock
from surge_exporter.runtime.logs import set_up_logging
from surge_exporter.runtime.state import StateFile


@click.command()
@options.config_file
@options.telemetry_dir
@options.horizon
@options.listen_addresses
@click.option(
    "--web.enable-lifecycle",
    "enable_lifecycle",
    is_flag=True,
    envvar="SURGE_WEB_ENABLE_LIFECYCLE",
    show_envvar=True,
    help="Allow reloading by POST /-/reload (SIGHUP always reloads).",
)
@click.option(
    "--web.disable-exporter-metrics",
    "disable_exporter_metrics",
    is_flag=True,
    envvar="SURGE_WEB_DISABLE_EXPORTER_METRICS",
    show_envvar=True,
    help="Leave out process_*, python_* metrics.",
)
@click.option(
    "--tail.poll-only",
    "poll_only",
    is_flag=True,
    envvar="SURGE_TAIL_POLL_ONLY",
    show_envvar=True,
    help="Look for new lines every second instead of waiting for the kernel's word.",
)
@click.option(
    "--state-file",
    "state_path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SURGE_STATE_FILE",
    show_envvar=True,
    help="Keep here what was counted up to the last scrape, so that lines written while the "
    "exporter is down are counted, once.",
)
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    envvar="SURGE_LOG_LEVEL",
    show_envvar=True,
    help="What to log on stderr.",
)
def serve(  # noqa: PLR0913 - an option each
    *,
    config_path: Path | None,
    directory: str | None,
    horizon_hours: float | None,
    listen_addresses: tuple[str, ...],
    enable_lifecycle: bool,
    disable_exporter_metrics: bool,
    poll_only: bool,
    state_path: Path | None,
    log_level: str,
) -> None:
    """Follow telemetry and publish the verdict: /metrics, a status page, a JSON report.

    Works without a configuration and before there is telemetry. SIGHUP reloads the
    configuration, SIGTERM and SIGINT stop.
    """
    logged = set_up_logging(log_level)

    def load() -> Config:
        config = configuration.Config() if config_path is None else configuration.load(config_path)
        web = config.web
        if listen_addresses:
            web = msgspec.structs.replace(web, listen_addresses=listen_addresses)
        if enable_lifecycle:
            web = msgspec.structs.replace(web, enable_lifecycle=True)
        config = msgspec.structs.replace(config, web=web)
        return options.override(config, directory, horizon_hours)

    exporter = Exporter(
        load,
        SystemClock(),
        logged,
        with_process_metrics=not disable_exporter_metrics,
        poll_only=poll_only,
        state_file=None if state_path is None else StateFile(state_path),
    )
    exporter.run()
