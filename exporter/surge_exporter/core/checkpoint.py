"""Where reading stood when a scrape was served: what the next process needs to count on.

Counters begin at 0 in every process, so their values are not kept. Kept are the places up to
which lines were counted, and the few counts that no scrape had shown yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from surge_exporter.core.envelope import StateError, sealed, unsealed
from surge_exporter.core.identity import Trace
from surge_exporter.core.tally import LineCounts
from surge_exporter.model import Seconds, Source, UnixSeconds
from surge_exporter.snapshot import RawTotals, StateFault

OLDEST_SECONDS = Seconds(86400.0)
"""What was written during a longer absence is history: counted at once, it would look like a
surge to every rate."""

_KIND = b"surge-exporter state"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What has been counted, as of one snapshot. Shares nothing with whoever reads on."""

    at: UnixSeconds
    number: int
    """Which one of its process."""
    traces: Mapping[Source, tuple[Trace, ...]]
    """What was read of every file, those of most interest last."""
    owed: RawTotals
    """Counted, but yet to be shown by a scrape."""
    owed_lines: Mapping[Source, LineCounts]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Checkpoint)


def encode(checkpoint: Checkpoint) -> bytes:
    """Return a header line with version and checksum, then JSON."""
    body = _encoder.encode(_with_paths(checkpoint, _spelled))
    return sealed(_KIND, _VERSION, body)


def decode(data: bytes, now: UnixSeconds) -> Checkpoint:
    """Return the checkpoint that was encoded.

    Raises:
        StateError: it is none, it is damaged, of another version, or too old.
    """
    body = unsealed(_KIND, _VERSION, data)
    try:
        checkpoint = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(StateFault.CORRUPT, str(error)) from error
    age = now - checkpoint.at
    if age > OLDEST_SECONDS:
        expected = f"expected one of the last {OLDEST_SECONDS / 3600:g} h"
        raise StateError(StateFault.TOO_OLD, f"{expected}, got one {age / 3600:.0f} h old")
    return _with_paths(checkpoint, _unspelled)


def _with_paths(checkpoint: Checkpoint, of: Callable[[str], str]) -> Checkpoint:
    traces = {
        source: tuple(replace(trace, path=of(trace.path)) for trace in found)
        for source, found in checkpoint.traces.items()
    }
    return replace(checkpoint, traces=traces)


def _spelled(path: str) -> str:
    """Return a path as JSON can say it: its bytes need not be UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def _unspelled(path: str) -> str:
    return path.encode("latin-1").decode("utf-8", "surrogateescape")
