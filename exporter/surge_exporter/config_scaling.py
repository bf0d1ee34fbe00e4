"""The section `scaling` of the configuration: the host, its models and who serves them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec

_MOST = 1e9
_GIB = 1 << 30
_MOST_GIB = 1e6


class ServerKind(StrEnum):
    """Who serves the models."""

    DRY_RUN = "dry_run"
    OLLAMA = "ollama"
    OPENAI = "openai"


def _about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


def _positive(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, gt=0, le=_MOST)


def _ratio(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=0, le=1)


def _seconds(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=0, le=_MOST)


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that may be used on this host."""

    name: Annotated[str, msgspec.Meta(description="As its server knows it.", min_length=1)]
    tier: Annotated[str, msgspec.Meta(description="The tier it belongs to.", min_length=1)]
    memory_gib: Annotated[
        float, msgspec.Meta(description="What it needs once loaded.", gt=0, le=_MOST_GIB)
    ]
    gpu: Annotated[bool, _about("Whether it needs that on a GPU.")] = False

    @property
    def memory_bytes(self) -> int:
        """What it needs, in bytes."""
        return round(self.memory_gib * _GIB)


class ThresholdsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From where on the scaler acts."""

    upgrade_below: Annotated[
        float, _ratio("A larger tier needs CPU, memory and GPU memory used less than this.")
    ] = 0.8
    degrade_from: Annotated[
        float, _ratio("With this much of one of them used, a smaller tier is due at once.")
    ] = 0.9
    least_available_gib: Annotated[
        float,
        msgspec.Meta(
            description="With less memory available, likewise, whatever part of it that is.",
            ge=0,
            le=_MOST_GIB,
        ),
    ] = 1.0
    margin_ratio: Annotated[
        float, _ratio("What must be left of a model's memory beside it, as a part of its size.")
    ] = 0.1
    stabilization_seconds: Annotated[
        float, _seconds("After a change nothing larger is recommended for so long.")
    ] = 300.0
    trend_window_seconds: Annotated[float, _positive("How far back a trend looks.")] = 600.0
    lead_seconds: Annotated[
        float, _seconds("A trend that would cross a threshold within this acts now.")
    ] = 120.0
    failure_ratio: Annotated[
        float, _ratio("A model with this part of its requests failing is too large.")
    ] = 0.2
    least_requests: Annotated[
        int,
        msgspec.Meta(description="Fewer requests say nothing of a model.", ge=1, le=1_000_000),
    ] = 5
    p95_seconds: (
        Annotated[
            float,
            _positive("A model that answers slower than this, 1 in 20 times, is too large."),
        ]
        | None
    ) = None


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who serves the models."""

    kind: Annotated[
        ServerKind, _about("dry_run changes nothing; ollama or openai is who is asked.")
    ] = ServerKind.DRY_RUN
    url: (
        Annotated[str, _about("Where the model server listens, like http://127.0.0.1:11434.")]
        | None
    ) = None


class ScalingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The proactive scaler: what it watches, what it may recommend, and whether it acts."""

    enabled: Annotated[bool, _about("Watch this host's CPU, memory and GPUs.")] = True
    interval_seconds: Annotated[
        float, msgspec.Meta(description="How often to look.", ge=0.1, le=3600.0)
    ] = 2.0
    cgroup: Annotated[
        str,
        _about(
            "Whose limits count where tighter than the host's: own, host (none), or the model"
            " server's group, like /system.slice/ollama.service."
        ),
    ] = "own"
    models: Annotated[
        tuple[ModelConfig, ...],
        _about(
            "Models this host may run, tiers smallest first:"
            " [{name: llama3.2:3b, tier: small, memory_gib: 3, gpu: false}]."
            " Without any: small, medium and large for 2, 8 and 20 GiB."
        ),
    ] = ()
    switch: Annotated[
        bool, _about("Load the recommended model on the server, and not only recommend it.")
    ] = False
    thresholds: ThresholdsConfig = ThresholdsConfig()
    server: ServerConfig = ServerConfig()


def faults(section: ScalingConfig) -> Iterator[str]:
    """Yield what types can not say is wrong: setting, expectation, find."""
    if section.cgroup not in {"own", "host"} and not section.cgroup.startswith("/"):
        yield f"scaling.cgroup: expected own, host or a path like /a/b, got {section.cgroup!r}"
    limits = section.thresholds
    if limits.degrade_from < limits.upgrade_below:
        yield (
            "scaling.thresholds.degrade_from: expected at least upgrade_below,"
            f" {limits.upgrade_below:g}, got {limits.degrade_from:g}"
        )
    names = [model.name for model in section.models]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"scaling.models[{index}].name: expected each model once, got {name!r} again"
    if section.server.kind is not ServerKind.DRY_RUN and section.server.url is None:
        yield (
            f"scaling.server.url: expected an address for the {section.server.kind} server,"
            " got nothing"
        )
    url = section.server.url
    if url is not None and not url.startswith(("http://", "https://")):
        yield f"scaling.server.url: expected http:// or https://, got {url!r}"
