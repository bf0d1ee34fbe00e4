"""A look at the host by a command, which no sampler has watched before."""

import os

from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.config import Config
from surge_exporter.config_scaling import ServerKind
from surge_exporter.modelling.connect import API_KEY_VARIABLE, connect
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.runtime.cgroup import Cgroup
from surge_exporter.runtime.clock import QueueWaker, SystemClock
from surge_exporter.runtime.resources import SETTLE_SECONDS, Resources
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.tiers import Catalogue


def look(config: Config) -> Sample:
    """Return a sample taken here and now; it takes as long as CPU needs to be measured.

    Raises:
        Fault: the host can't be looked at.
    """
    resources = Resources(SystemClock(), cgroup=Cgroup(config.scaling.cgroup))
    try:
        QueueWaker().wait(SETTLE_SECONDS)
        return resources.sample()
    except OSError as error:
        raise Fault(f"the host cannot be looked at: {error}") from error
    finally:
        resources.close()


def loaded(config: Config, catalogue: Catalogue) -> tuple[str, ...] | None:
    """Return the models that the configured server has in memory, the largest first.

    None without a server, or if it can't say.

    Raises:
        Fault: its URL can't be used.
        ModelServerError: it does not answer.
    """
    section = config.scaling.server
    if section.kind is ServerKind.DRY_RUN:
        return None
    try:
        server = connect(section.kind, section.url, api_key=os.environ.get(API_KEY_VARIABLE))
    except ValueError as error:
        raise Fault(f"scaling.server.url: {error}", USAGE_ERROR) from error
    running, ladder = server.running(), Ladder(catalogue)
    if running is None:
        return None
    return ladder.by_size(spec.name for found in running if (spec := ladder.known(found.name)))
