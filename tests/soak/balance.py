"""What was written against what was counted."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.soak.run import Outcome
from tests.soak.scraper import REQUESTS, TICKS

Values = tuple[str, ...]
"""Of a series' labels."""


@dataclass(frozen=True, slots=True)
class Row:
    """A counter and what it should have come to; by labels where that is known."""

    name: str
    written: Counter[Values]
    counted: Counter[Values]

    @property
    def lost(self) -> int:
        """How many are lacking, whatever is too many elsewhere."""
        return (self.written - self.counted).total()

    @property
    def doubled(self) -> int:
        """How many are too many, likewise."""
        return (self.counted - self.written).total()


def rows(outcome: Outcome) -> Iterator[Row]:
    """Yield every counter that must come to what was written: requests, each of one character
    and one token, and ticks.
    """
    increase = outcome.scraper.increase
    requests: Counter[Values] = Counter()
    for generation in outcome.generations:
        requests[generation.labels] += generation.lines
    ticks = sum(len(written.ticks) for written in outcome.written)
    yield Row(REQUESTS, requests, Counter(_rounded(increase.by_values(REQUESTS))))
    for name, labels, expected in (
        ("surge_source_lines_total", {"source": "requests"}, requests.total()),
        ("surge_inference_prompt_characters_total", {}, requests.total()),
        ("surge_inference_tokens_total", {}, requests.total()),
        ("surge_inference_request_duration_seconds_count", {}, requests.total()),
        ("surge_source_rejected_lines_total", {}, 0),
        (TICKS, {}, ticks),
        ("surge_source_lines_total", {"source": "heartbeat"}, ticks),
    ):
        selector = "".join((name, *(f"{{{key}={value}}}" for key, value in labels.items())))
        counted = _rounded({(): increase.of(name, **labels)})
        yield Row(selector, Counter({(): expected}), Counter(counted))


def is_exact(outcome: Outcome) -> bool:
    """Say whether no line was lost or doubled."""
    return not any(row.lost or row.doubled for row in rows(outcome))


def _rounded(counts: Mapping[Values, float]) -> dict[Values, int]:
    return {values: round(count) for values, count in counts.items()}
