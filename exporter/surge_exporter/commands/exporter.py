"""The parts of a running exporter, wired: the composition root of `serve` and `demo`."""

import logging
import platform
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from surge_exporter import __version__
from surge_exporter import config as configuration
from surge_exporter.commands import options
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.commands.prose import runbooks
from surge_exporter.commands.switching import Switching
from surge_exporter.config import Config
from surge_exporter.config_scaling import ScalingConfig, scaler_settings
from surge_exporter.core.cycle import Cycle
from surge_exporter.core.history import BUCKET_SECONDS
from surge_exporter.model import Seconds, Source, UnixSeconds
from surge_exporter.render.report import to_json
from surge_exporter.runtime.cgroup import Cgroup
from surge_exporter.runtime.clock import Clock, QueueWaker
from surge_exporter.runtime.filesystem import OsFileSystem
from surge_exporter.runtime.gpus import Gpus
from surge_exporter.runtime.jumps import CheckedClock
from surge_exporter.runtime.logs import CountingHandler
from surge_exporter.runtime.loop import Loop
from surge_exporter.runtime.performance import Surroundings, Telling
from surge_exporter.runtime.pipeline import Pipeline
from surge_exporter.runtime.questions import Answer
from surge_exporter.runtime.recall import Recall
from surge_exporter.runtime.resources import Resources
from surge_exporter.runtime.sampler import Sampler, Sampling
from surge_exporter.runtime.state import StateFile
from surge_exporter.runtime.tail import Tail
from surge_exporter.runtime.watch import NoWatcher, Watcher
from surge_exporter.scaling.performance import Performance, together
from surge_exporter.signals import judge, surge_factors
from surge_exporter.snapshot import ExporterStatus, Snapshot, StateStatus
from surge_exporter.web.app import Scrape, Service, Visitor
from surge_exporter.web.exposition import SnapshotCollector
from surge_exporter.web.server import WebServer, parse_address

_FAREWELL_SECONDS = 1.0
_PATIENCE_MARGIN = 0.9  # whoever asks has waited for longer than we know

_log = logging.getLogger(__name__)


class _TooLateError(Exception):
    """Whoever asked has given up."""


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
        state_file: StateFile | None = None,
        host_clock: Clock | None = None,
    ) -> None:
        """Build all parts and bind the addresses; of telemetry, nothing is read yet.

        Raises:
            Fault: the configuration cannot be used, or an address cannot be bound.
        """
        self._load = load
        self._clock = CheckedClock(clock)
        self._logged = logged
        self._state_file = state_file
        self._has_scraper = False
        self._config: Config | None = None
        self._built: Pipeline | None = None
        self._bound: tuple[str, ...] = ()
        self._checkpoint = state_file.load(clock.now()) if state_file else None
        waker = QueueWaker()
        gpus = Gpus(host_clock or clock)  # one for all: what it said once needs no second line
        self.sampler = Sampler(
            Sampling(enabled=False),
            clock=host_clock or clock,
            waker=QueueWaker(),
            build=lambda sampling: Resources(
                host_clock or clock, cgroup=Cgroup(sampling.cgroup), gpus=gpus
            ),
            surroundings=self._surroundings,
            serving=lambda: self.switching.serving(),  # noqa: PLW0108 - it is made below
        )
        self.switching = Switching(self.sampler.preflight, host_clock or clock)
        self.sampler.listen(self.switching.hear)
        self._watcher = NoWatcher() if poll_only else Watcher(waker.wake, clock)
        try:
            self.loop = Loop(
                clock=self._clock,
                waker=waker,
                build=self._build,
                judge=judge,
                watcher=self._watcher,
                status=self._status,
                checkpoint=self._checkpoint,
                save_history=state_file.save_history if state_file else lambda _: None,
                host=self.sampler.status,
            )
            self._telling = Telling(clock, self.loop.newest, self.loop.refresh)
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
        # A daemon: a driver that hangs must not keep the process.
        watching = threading.Thread(target=self.sampler.run, name="sampler", daemon=True)
        watching.start()
        try:
            self.loop.run()
        finally:
            self.switching.stop()
            self.sampler.stop()
            watching.join(_FAREWELL_SECONDS)
            self._watcher.stop()
            self.web.stop()
            _log.info("stopped")

    def _serve(self, *, with_process_metrics: bool) -> WebServer:
        config = self._config or Config()
        stock = CollectorRegistry()
        if with_process_metrics:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=stock)
        service = Service(
            snapshot=self.loop.snapshot,
            ready=lambda: self.loop.ready,
            reload=self.loop.reload,
            report=_report,
            scrape=lambda visitor, patience: self._scrape(visitor, patience, stock),
            lifecycle_enabled=self._lifecycle_enabled,
            runbooks=runbooks,
            preflight=self.sampler.preflight,
        )
        self._bound = config.web.listen_addresses
        return WebServer(config.web.listen_addresses, service)

    def _scrape(
        self, visitor: Visitor, patience_seconds: float, stock: CollectorRegistry
    ) -> Scrape:
        """Take a scrape; it counts as one unless it is a person's beside a scraper's."""
        deadline = self._clock.monotonic() + _PATIENCE_MARGIN * patience_seconds
        self._has_scraper |= visitor is Visitor.SCRAPER
        counts = visitor is (Visitor.SCRAPER if self._has_scraper else Visitor.UNKNOWN)
        answer = self.loop.scrape() if counts else Answer(self.loop.snapshot())
        registry = CollectorRegistry(auto_describe=False)
        registry.register(SnapshotCollector(lambda: answer.snapshot))
        registry.register(stock)
        return Scrape(registry, self._sending(answer, deadline))

    @contextmanager
    def _sending(self, answer: Answer, deadline: float) -> Iterator[None]:
        """Note that a scrape arrived, if sending it, which is what the block does, is in time."""
        saving: AbstractContextManager[None] = nullcontext()
        if self._state_file is not None and answer.checkpoint is not None:
            saving = self._state_file.serving(answer.checkpoint)
        with suppress(_TooLateError):
            with saving:
                yield
                if self._clock.monotonic() > deadline:
                    raise _TooLateError
            self.loop.arrived(answer)

    def _surroundings(self) -> Surroundings:
        """Return what telemetry says, and of loads what the manager has seen itself."""
        told = self._telling.surroundings()
        return replace(told, performance=_merged(told.performance, self.switching.performance()))

    def _lifecycle_enabled(self) -> bool:
        return self._config is not None and self._config.web.enable_lifecycle

    def _build(self, current: Pipeline | None) -> Pipeline:
        """Build the pipeline of the configuration as it is now.

        What is read stays if only thresholds changed; addresses are bound once, at the start.
        """
        config = self._load()
        for address in config.web.listen_addresses:
            parse_address(address)
        if current is not None and config.web.listen_addresses != self._bound:
            _log.warning(
                "listen addresses changed, a restart is needed to use them configured=%s",
                ",".join(config.web.listen_addresses),
            )
        tuning = configuration.tuning(config)
        factors = surge_factors(tuning)
        watched = sampling(config.scaling)
        switch = self.switching.prepare(config.scaling)
        cycle, tail, recall = None, None, None
        # What was built and never adopted, since that failed, is no measure of what is read now.
        before = self._config if current is self._built else None
        if current is not None and before is not None and _reads_the_same(config, before):
            cycle, tail, recall = current.cycle, current.tail, current.recall
        telemetry = configuration.telemetry(config)
        patterns = _absolute(options.patterns(config))
        if cycle is None or tail is None:
            cycle = Cycle(telemetry)
            window_seconds = 2 * telemetry.horizon_seconds
            tail = self._tail(patterns, window_seconds, cycle)
            recall = self._recall(patterns[Source.REQUESTS], window_seconds, cycle)
        # What may refuse is over: a reload changes all of this, or nothing.
        self._config = config
        cycle.set_surge_factors(**factors)
        self.sampler.configure(watched)
        switch()
        self._built = Pipeline(
            cycle=cycle,
            tail=tail,
            tuning=tuning,
            horizon_seconds=Seconds(telemetry.horizon_seconds),
            recall=recall,
            patterns=patterns,
        )
        return self._built

    def _tail(
        self,
        patterns: Mapping[Source, tuple[str, ...]],
        window_seconds: float,
        cycle: Cycle,
        *,
        share: float = 0.4,
    ) -> Tail:
        return Tail(
            OsFileSystem(share=share),
            self._clock,
            patterns,
            window_seconds=window_seconds,
            timestamps=cycle.timestamps,
        )

    def _recall(
        self, patterns: tuple[str, ...], window_seconds: float, cycle: Cycle
    ) -> Recall | None:
        """Return what reads the history that the windows leave out, unless it was saved."""
        saved = self._state_file.load_history() if self._state_file else None
        now = self._clock.now()
        # What the windows begin with is read for them in any case.
        until = UnixSeconds(now - window_seconds + BUCKET_SECONDS)
        since = cycle.begin_recall(until, saved)
        if since is None:
            return None
        tail = self._tail({Source.REQUESTS: patterns}, now - since, cycle, share=0.1)
        if self._checkpoint is not None and self._config is None:
            # What came since then counts as live, in the windows' tail.
            tail.resume(self._checkpoint.at, self._checkpoint.traces)
        return Recall(tail, cycle, self._clock)

    def _status(self) -> ExporterStatus:
        return ExporterStatus(
            version=__version__,
            revision="",
            python_version=platform.python_version(),
            reload_successful=True,
            reload_success_at=self._clock.now(),
            log_messages=self._logged.counts(),
            state=StateStatus() if self._state_file is None else self._state_file.status,
        )


def sampling(section: ScalingConfig) -> Sampling:
    """Return how the host is watched, as configured."""
    return Sampling(
        enabled=section.enabled,
        interval_seconds=section.interval_seconds,
        cgroup=section.cgroup,
        settings=scaler_settings(section),
    )


def _merged(
    one: Mapping[str, Performance], other: Mapping[str, Performance]
) -> Mapping[str, Performance]:
    both = {model: together(one[model], other[model]) for model in one.keys() & other.keys()}
    return {**one, **other, **both}


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
