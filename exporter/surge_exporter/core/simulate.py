"""Turn a scenario and a seed into the telemetry that an agent fleet would have written."""

import heapq
import itertools
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from surge_exporter.core.scenario import EpisodeKind, Scenario
from surge_exporter.model import HOUR, Source, UnixSeconds

BATCH_CALLER = "nightly_batch_eval"
"""Who runs the batch job; silent outside of one."""
FAILING_CALLER = "pr_review"
"""Whose requests fail while a caller fails."""

_MINUTE = 60
_DAY = 24 * HOUR
_PEAK = 15 * HOUR
"""The busiest time of the day, in UTC."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILURE_SHARE = 0.005
_FAILURES_PER_FAILED_CHECK = 0.1
"""Requests fail less often than checks do, because callers retry."""
_SPREAD = 0.5
"""The standard deviation of the logarithm of a size."""


class Line(NamedTuple):
    """A line of telemetry, without its newline. `at` is exactly the timestamp of the text."""

    at: UnixSeconds
    source: Source
    text: str


class _Model(NamedTuple):
    name: str
    tokens_per_second: float
    logs_tokens: bool = False


_HERMES = _Model("hermes4:14b", 28.0)
_CODER = _Model("qwen2.5-coder:14b", 30.0)
_QWEN = _Model("qwen3:8b", 52.0, logs_tokens=True)
_LLAMA = _Model("llama3.2:3b", 110.0)


class _Caller(NamedTuple):
    name: str
    weight: float
    """Part of the requests on a calm day."""
    prompt_len: float
    """Mean characters, as is `response_len`."""
    response_len: float
    models: tuple[_Model, ...]


_CALLERS = (
    _Caller("heartbeat_tick", 0.20, 1800, 200, (_HERMES, _LLAMA)),
    _Caller("issue_triage", 0.18, 4000, 600, (_HERMES, _QWEN)),
    _Caller("code_search", 0.16, 6000, 400, (_LLAMA, _QWEN)),
    _Caller(FAILING_CALLER, 0.14, 10_000, 1800, (_CODER, _HERMES)),
    _Caller("chat_operator", 0.14, 2500, 900, (_HERMES,)),
    _Caller("doc_writer", 0.08, 5000, 4000, (_QWEN,)),
    _Caller("know_index", 0.05, 3000, 150, (_LLAMA,)),
    _Caller("log_summary", 0.05, 9000, 700, (_QWEN, _LLAMA)),
)
# Few and large: the batch job weighs on tokens without looking like a surge of requests.
_BATCH = _Caller(BATCH_CALLER, 0.0, 40_000, 5000, (_HERMES, _QWEN))
_BATCH_REQUESTS_PER_REQUEST = sum(
    caller.weight * (caller.prompt_len + caller.response_len) for caller in _CALLERS
) / (_BATCH.prompt_len + _BATCH.response_len)
"""How many requests of the batch job weigh as much as one mean request of the others."""

_ERRORS = (
    ("timeout: no response within 120 s", 120_000.0),
    ("HTTP 500: model runner has unexpectedly stopped", 850.0),
    ("connection refused", 2.0),
)
"""What goes wrong, and after how many milliseconds."""


class _Conditions(NamedTuple):
    """What holds for all requests of one minute."""

    requests_per_second: float
    cumulative_weights: list[float]
    """Of the callers and the batch job."""
    failure_share: float
    failing_caller_share: float
    slowdown: float


def telemetry(
    scenario: Scenario, *, seed: int, start: UnixSeconds, stop: UnixSeconds
) -> Iterator[Line]:
    """Yield the lines with start <= at < stop in the order of time; `stop` may be infinite.

    The lines of [a, b) and those of [b, c) are those of [a, c): every minute and every tick
    has its own randomness, and interval ends only cut.
    """
    lines = heapq.merge(_requests(scenario, seed, start, stop), _ticks(scenario, seed, start))
    late_enough = itertools.dropwhile(lambda line: line.at < start, lines)
    return itertools.takewhile(lambda line: line.at < stop, late_enough)


def _requests(scenario: Scenario, seed: int, start: float, stop: float) -> Iterator[Line]:
    for minute in itertools.count(math.floor(start / _MINUTE)):
        if minute * _MINUTE >= stop:
            return
        yield from _requests_of_minute(scenario, seed, minute)


def _requests_of_minute(scenario: Scenario, seed: int, minute: int) -> Iterator[Line]:
    """A Poisson process, by its exponential gaps; it has no memory, so minutes can be cut."""
    rng = random.Random(f"{seed}:{minute}")  # noqa: S311 - a simulation, not a secret
    now = _conditions(scenario, (minute + 0.5) * _MINUTE)
    offset = rng.expovariate(now.requests_per_second)
    while offset < _MINUTE:
        moment = _EPOCH + timedelta(minutes=minute, microseconds=int(offset * 1e6))
        text = msgspec.json.encode(_request(moment, now, rng)).decode()
        yield Line(UnixSeconds(moment.timestamp()), Source.REQUESTS, text)
        offset += rng.expovariate(now.requests_per_second)


def _conditions(scenario: Scenario, at: float) -> _Conditions:
    surge = math.prod(scenario.magnitudes(EpisodeKind.SURGE, at))
    rhythm = 1 + scenario.rhythm * math.cos(math.tau * (at - _PEAK) / _DAY)
    share = scenario.share(EpisodeKind.BATCH_JOB, at)
    batch = _BATCH_REQUESTS_PER_REQUEST * share / (1 - share)
    weights = list(itertools.accumulate((*(caller.weight for caller in _CALLERS), batch)))
    checks = scenario.share(EpisodeKind.INFERENCE_FAILURES, at)
    return _Conditions(
        requests_per_second=scenario.requests_per_hour / HOUR * rhythm * surge * weights[-1],
        cumulative_weights=weights,
        failure_share=max(_FAILURE_SHARE, checks * _FAILURES_PER_FAILED_CHECK),
        failing_caller_share=scenario.share(EpisodeKind.FAILING_CALLER, at),
        slowdown=max(1.0, math.sqrt(surge)),
    )


def _request(moment: datetime, now: _Conditions, rng: random.Random) -> dict[str, Any]:
    (caller,) = rng.choices((*_CALLERS, _BATCH), cum_weights=now.cumulative_weights)
    model = rng.choice(caller.models)
    worse = now.failing_caller_share if caller.name == FAILING_CALLER else 0.0
    success = rng.random() >= max(now.failure_share, worse)
    error, error_ms = rng.choice(_ERRORS)
    prompt_len = _size(caller.prompt_len, rng)
    response_len = _size(caller.response_len, rng) if success else 0
    answer_ms = _answer_ms(model, prompt_len, response_len) * now.slowdown * rng.uniform(0.9, 1.3)
    found: dict[str, Any] = {
        "timestamp": moment.isoformat(timespec="microseconds"),
        "model": model.name,
        "caller": caller.name,
        "prompt_len": prompt_len,
        "response_len": response_len,
        "success": success,
        "duration_ms": round(answer_ms if success else error_ms * rng.uniform(1, 1.05), 1),
    }
    if not success:
        found["error"] = error
    elif model.logs_tokens:
        found["prompt_tokens"] = _tokens(prompt_len, rng)
        found["response_tokens"] = _tokens(response_len, rng)
    return found


def _size(mean: float, rng: random.Random) -> int:
    """Return log-normal characters: many small ones, a few large ones, `mean` on average."""
    return max(1, round(rng.lognormvariate(math.log(mean) - _SPREAD**2 / 2, _SPREAD)))


def _tokens(characters: int, rng: random.Random) -> int:
    return max(1, round(characters / 4 * rng.uniform(0.9, 1.1)))


def _answer_ms(model: _Model, prompt_len: int, response_len: int) -> float:
    """Milliseconds to read a prompt, some forty times as fast as to write, and to answer."""
    tokens = prompt_len / 4 / 40 + response_len / 4
    return 150 + 1000 * tokens / model.tokens_per_second


def _ticks(scenario: Scenario, seed: int, start: float) -> Iterator[Line]:
    """Heartbeats in whole seconds, as the fleet logs them; at multiples of the tick."""
    for index in itertools.count(math.floor(start / scenario.tick_seconds)):
        at = math.floor(index * scenario.tick_seconds)
        rng = random.Random(f"{seed}:tick:{index}")  # noqa: S311 - a simulation, not a secret
        text = msgspec.json.encode(_tick(scenario, at, rng)).decode()
        yield Line(UnixSeconds(float(at)), Source.HEARTBEAT, text)


def _tick(scenario: Scenario, at: int, rng: random.Random) -> dict[str, Any]:
    moment = _EPOCH + timedelta(seconds=at)
    gitea_alive = rng.random() >= scenario.share(EpisodeKind.GITEA_OUTAGE, at)
    inference_ok = rng.random() >= scenario.share(EpisodeKind.INFERENCE_FAILURES, at)
    return {
        "tick_id": moment.strftime("%Y%m%d_%H%M%S"),
        "timestamp": moment.isoformat(),
        "perception": {
            "gitea_alive": gitea_alive,
            "model_health": {
                "ollama_running": True,
                "inference_ok": inference_ok,
                "models_loaded": [_HERMES.name, _QWEN.name],
            },
        },
        "actions": [],
    }
