"""A look at the host by a command, which no sampler has watched before."""

from surge_exporter.commands.options import Fault
from surge_exporter.config import Config
from surge_exporter.runtime.cgroup import Cgroup
from surge_exporter.runtime.clock import QueueWaker, SystemClock
from surge_exporter.runtime.resources import SETTLE_SECONDS, Resources
from surge_exporter.scaling.resources import Sample


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
