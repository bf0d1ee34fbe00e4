"""Has the model server follow what the sampler decides, where the configuration says so."""

import os
from collections.abc import Callable

from surge_exporter.config_scaling import ScalingConfig, scaler_settings
from surge_exporter.model import Seconds
from surge_exporter.modelling.connect import API_KEY_VARIABLE, connect
from surge_exporter.modelling.follower import Follower
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import ManagerStatus, Patience
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.sampler import Serving
from surge_exporter.scaling.preflight import Operation, Preflight
from surge_exporter.snapshot import Answered, HostStatus

Check = Callable[[str | None, Operation], Answered | None]


class Switching:
    """The manager of a running exporter: none until `configure` finds `scaling.switch: true`.

    `configure` and `stop` are the loop's thread to call; `hear` and `serving` the sampler's. They
    share one reference, replaced as a whole.
    """

    def __init__(self, check: Check, clock: Clock) -> None:
        """Take who knows the host, and the time."""
        self._check = check
        self._clock = clock
        self._section: ScalingConfig | None = None
        self._follower: Follower | None = None

    def configure(self, section: ScalingConfig) -> None:
        """Begin, end, or begin anew, as the configuration has it.

        Raises:
            ValueError: the server's URL can't be used; then nothing has changed.
        """
        if section == self._section:
            return
        follower = self._build(section) if section.switch and section.enabled else None
        self.stop()
        self._section, self._follower = section, follower
        if follower is not None:
            follower.start()

    def hear(self, status: HostStatus) -> None:
        """Take the newest decision; nobody waits."""
        follower = self._follower
        if follower is not None and status.decision is not None:
            follower.follow(status.decision)

    def serving(self) -> Serving:
        """Return what the sampler is to know."""
        found = self.status()
        return Serving() if found is None else Serving(found.model, found.in_flight)

    def status(self) -> ManagerStatus | None:
        """Return what the manager does; None without one."""
        follower = self._follower
        return None if follower is None else follower.manager.status()

    def stop(self) -> None:
        """Begin no further switch."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop()

    def _build(self, section: ScalingConfig) -> Follower:
        settings = scaler_settings(section)
        server = connect(
            section.server.kind,
            section.server.url,
            models=tuple(spec.name for spec in settings.catalogue.models),
            api_key=os.environ.get(API_KEY_VARIABLE),
        )
        patience = Patience(drain_seconds=Seconds(settings.thresholds.drain_seconds))
        manager = ModelManager(
            settings.catalogue, server, self._preflight, patience=patience, clock=self._clock
        )
        return Follower(manager, self._clock)

    def _preflight(self, model: str | None, operation: Operation) -> Preflight:
        found = self._check(model, operation)
        if found is not None:
            return found.preflight
        reason = "the host is not watched"
        return Preflight(
            allowed=False,
            reason=reason,
            operation=operation,
            model=model,
            tier=None,
            recommended_model=None,
        )
