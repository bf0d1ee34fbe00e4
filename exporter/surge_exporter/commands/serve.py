"""`serve`: the exporter itself."""

import logging
import platform
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from surge_exporter import __version__
from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.config import Config
from surge_exporter.core.cycle import Cycle
from surge_exporter.model import Seconds, Source
from surge_exporter.render.report import to_json
from surge_exporter.runtime.clock import Clock, QueueWaker, SystemClock
from surge_exporter.runtime.filesystem import OsFileSystem
from surge_exporter.runtime.logs import CountingHandler, set_up_logging
from surge_exporter.runtime.loop import Loop, Pipeline
from surge_exporter.runtime.tail import Tail
from surge_exporter.runtime.watch import NoWatcher, Watcher
from surge_exporter.signals import judge
from surge_exporter.snapshot import ExporterStatus, Snapshot
from surge_exporter.web.app import Service
from surge_exporter.web.exposition import SnapshotCollector
from surge_exporter.web.server import WebServer, parse_address

_log = logging.getLogger(__name__)


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
    "--log.level",
    "log_level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    envvar="SURGE_LOG_LEVEL",
    show_envvar=True,
    help="What to log on stderr.",
)
def serve(
    *,
    config_path: Path | None,
    directory: str | None,
    horizon_hours: float | None,
    listen_addresses: tuple[str, ...],
    enable_lifecycle: bool,
    disable_exporter_metrics: bool,
    poll_only: bool,
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
    )
    exporter.run()


class Exporter:
    """The parts of a running exporter, wired; `serve` and `demo` are two ways to run it."""

    def __init__(
        self,
        load: Callable[[], Config],
        clock: Clock,
        logged: CountingHandler,
        *,
        with_process_metrics: bool = True,
        poll_only: bool = False,
    ) -> None:
        """Build all parts and bind the addresses; nothing is read yet.

        Raises:
            Fault: the configuration cannot be used, or an address cannot be bound.
        """
        self._load = load
        self._clock = clock
        self._logged = logged
        self._config: Config | None = None
        self._bound: tuple[str, ...] = ()
        waker = QueueWaker()
        self._watcher = NoWatcher() if poll_only else Watcher(waker.wake, clock)
        try:
            self.loop = Loop(
                clock=clock,
                waker=waker,
                build=self._build,
                judge=judge,
                watcher=self._watcher,
                status=self._status,
            )
            self.web = self._serve(with_process_metrics=with_process_metrics)
        except ValueError as error:
            raise Fault(str(error), USAGE_ERROR) from error
        except OSError as error:
            raise Fault(str(error)) from error

    def run(self) -> None:
        """Follow telemetry until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, lambda *_: self.loop.stop())
        signal.signal(signal.SIGINT, lambda *_: self.loop.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.loop.request_reload())
        _log.info("listening urls=%s", ",".join(self.web.urls))
        try:
            self.loop.run()
        finally:
            self._watcher.stop()
            self.web.stop()
            _log.info("stopped")

    def _serve(self, *, with_process_metrics: bool) -> WebServer:
        config = self._config or Config()
        registry = CollectorRegistry(auto_describe=False)
        if with_process_metrics:
            for stock in (ProcessCollector, PlatformCollector, GCCollector):
                stock(registry=registry)
        registry.register(SnapshotCollector(lambda: self.loop.snapshot(scraped=True)))
        service = Service(
            snapshot=self.loop.snapshot,
            ready=lambda: self.loop.ready,
            reload=self.loop.reload,
            report=_report,
            registry=registry,
            lifecycle_enabled=self._lifecycle_enabled,
        )
        self._bound = config.web.listen_addresses
        return WebServer(config.web.listen_addresses, service)

    def _lifecycle_enabled(self) -> bool:
        return self._config is not None and self._config.web.enable_lifecycle

    def _build(self, current: Pipeline | None) -> Pipeline:
        """Build the pipeline of the configuration as it is now.

        What is read stays if only thresholds changed; addresses are bound once, at the start.
        """
        config, before = self._load(), self._config
        for address in config.web.listen_addresses:
            parse_address(address)
        if current is not None and config.web.listen_addresses != self._bound:
            _log.warning(
                "listen addresses changed, a restart is needed to use them configured=%s",
                ",".join(config.web.listen_addresses),
            )
        cycle, tail = None, None
        if current is not None and before is not None and _reads_the_same(config, before):
            cycle, tail = current.cycle, current.tail
        telemetry = configuration.telemetry(config)
        patterns = _absolute(options.patterns(config))
        if cycle is None or tail is None:
            cycle = Cycle(telemetry)
            tail = Tail(
                OsFileSystem(),
                self._clock,
                patterns,
                window_seconds=2 * telemetry.horizon_seconds,
                timestamps=cycle.timestamps,
            )
        self._config = config
        return Pipeline(
            cycle=cycle,
            tail=tail,
            tuning=configuration.tuning(config),
            horizon_seconds=Seconds(telemetry.horizon_seconds),
            patterns=patterns,
        )

    def _status(self) -> ExporterStatus:
        return ExporterStatus(
            version=__version__,
            revision="",
            python_version=platform.python_version(),
            reload_successful=True,
            reload_success_at=self._clock.now(),
            log_messages=self._logged.counts(),
        )


def _reads_the_same(config: Config, before: Config) -> bool:
    return (config.telemetry, config.window, config.limits) == (
        before.telemetry,
        before.window,
        before.limits,
    )


def _absolute(patterns: Mapping[Source, tuple[str, ...]]) -> dict[Source, tuple[str, ...]]:
    """Say of each glob where it really leads, whatever directory this was started in."""
    return {
        source: tuple(str(Path(glob).absolute()) for glob in globs)
        for source, globs in patterns.items()
    }


def _report(snapshot: Snapshot) -> str:
    if snapshot.observation is None or snapshot.verdict is None:
        raise ValueError("expected a loaded snapshot")
    return to_json(snapshot.observation, snapshot.verdict, snapshot.sources_with_history)
