"""What the configuration decides of reading telemetry."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from surge_exporter.core.cycle import Cycle
from surge_exporter.model import Seconds, Source, Tuning
from surge_exporter.runtime.recall import Recall
from surge_exporter.runtime.tail import Tail

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Replaced as a whole on reload; the loop's thread owns the cycle and what reads for it."""

    cycle: Cycle
    tail: Tail
    tuning: Tuning
    horizon_seconds: Seconds
    recall: Recall | None = None
    patterns: Mapping[Source, tuple[str, ...]] = field(default_factory=dict)
    """Where the tail looks for files: absolute globs, for people to read."""

    def announce(self) -> None:
        """Say what is followed."""
        for source, patterns in self.patterns.items():
            _log.info("following source=%s patterns=%s", source, ",".join(patterns))

    def warn_of_absent_files(self) -> None:
        """Say where nothing was found: a wrong folder looks like a fleet that is silent."""
        self.tail.measure()
        for source, patterns in self.patterns.items():
            if patterns and not self.tail.counts[source].files:
                _log.warning("found no file source=%s patterns=%s", source, ",".join(patterns))

    def close(self) -> None:
        """Let go of all files."""
        self.tail.close()
        if self.recall is not None:
            self.recall.close()
