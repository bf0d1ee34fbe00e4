"""A look at the host by a command, which no sampler has watched before."""

from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.config import Config
from surge_exporter.config_scaling import ServerConfig, ServerKind
from surge_exporter.modelling.connect import connect_configured
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.runtime.cgroup import Cgroup
from surge_exporter.runtime.clock import QueueWaker, SystemClock
from surge_exporter.runtime.model_servers.protocol import ModelServer
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


def model_server(section: ServerConfig, models: tuple[str, ...] = ()) -> ModelServer:
    """Return the configured model server; `models` are what a dry run claims to have.

    Raises:
        Fault: its URL can't be used.
    """
    try:
        return connect_configured(section, models)
    except ValueError as error:
        raise Fault(str(error), USAGE_ERROR) from error


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
    running = model_server(section).running()
    return None if running is None else Ladder(catalogue).in_memory(running)
