"""The section `scaling` of the configuration: the host, its models and who serves them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec

from surge_exporter.model import Seconds
from surge_exporter.scaling.decisions import Settings, Thresholds
from surge_exporter.scaling.performance import Limits
from surge_exporter.scaling.resources import GIB
from surge_exporter.scaling.tiers import DEFAULT_CATALOGUE, Catalogue, ModelSpec

_MOST = 1e9
_DEFAULT, _LIMITS = Thresholds(), Limits()
_MOST_GIB = 1e6
_MISSED = 3  # samples; the state is of another time then


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
        return round(self.memory_gib * GIB)


class ThresholdsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From where on the scaler acts."""

    upgrade_below: Annotated[
        float, _ratio("A larger tier needs CPU and memory used less than this.")
    ] = _DEFAULT.upgrade_below
    degrade_from: Annotated[
        float, _ratio("With this much of memory used, a smaller tier is due at once.")
    ] = _DEFAULT.degrade_from
    cpu_degrade_from: (
        Annotated[
            float,
            _ratio(
                "The same of CPU, unless a GPU model serves. null: CPU decides nothing, as suits a"
                " host whose models answer on the CPU and may use all of it."
            ),
        ]
        | None
    ) = _DEFAULT.cpu_degrade_from
    cpu_window_seconds: Annotated[float, _seconds("CPU counts as its mean over so long.")] = (
        _DEFAULT.cpu_window_seconds
    )
    gpu_degrade_from: Annotated[
        float, _ratio("The same of GPU memory, of which servers reserve most on purpose.")
    ] = _DEFAULT.gpu_degrade_from
    least_available_gib: Annotated[
        float,
        msgspec.Meta(
            description="With less memory available, likewise, whatever part of it that is.",
            ge=0,
            le=_MOST_GIB,
        ),
    ] = _DEFAULT.least_available_bytes / GIB
    margin_ratio: Annotated[
        float, _ratio("How much more than it needs must be free for a model, as a part of that.")
    ] = _DEFAULT.margin_ratio
    stabilization_seconds: Annotated[
        float,
        _seconds(
            "After a change nothing larger is recommended for so long; twice, four times, at most"
            " 16 times as long after upgrades in a row that had to be taken back."
        ),
    ] = _DEFAULT.stabilization_seconds
    trend_window_seconds: Annotated[float, _positive("How far back a trend looks.")] = (
        _DEFAULT.trend_window_seconds
    )
    lead_seconds: Annotated[
        float, _seconds("A trend that would cross a threshold within this acts now.")
    ] = _DEFAULT.lead_seconds
    drain_seconds: Annotated[
        float, _seconds("How long running requests are waited for before a switch.")
    ] = _DEFAULT.drain_seconds
    failure_ratio: Annotated[
        float, _ratio("A model with this part of its requests failing is too large.")
    ] = _LIMITS.failure_ratio
    least_requests: Annotated[
        int,
        msgspec.Meta(description="Fewer requests say nothing of a model.", ge=1, le=1_000_000),
    ] = _LIMITS.least_requests
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
            "Models this host may run; of each tier the preferred one first:"
            " [{name: llama3.2:3b, tier: small, memory_gib: 3, gpu: false}]."
            " Without any: small, medium and large for 2, 8 and 20 GiB."
        ),
    ] = ()
    switch: Annotated[
        bool, _about("Load the recommended model on the server, and not only recommend it.")
    ] = False
    thresholds: ThresholdsConfig = ThresholdsConfig()
    server: ServerConfig = ServerConfig()


def scaler_settings(section: ScalingConfig) -> Settings:
    """Return what the scaler decides by."""
    limits = section.thresholds
    return Settings(
        catalogue=_catalogue(section.models),
        thresholds=Thresholds(
            upgrade_below=limits.upgrade_below,
            degrade_from=limits.degrade_from,
            cpu_degrade_from=limits.cpu_degrade_from,
            cpu_window_seconds=limits.cpu_window_seconds,
            gpu_degrade_from=limits.gpu_degrade_from,
            least_available_bytes=round(limits.least_available_gib * GIB),
            margin_ratio=limits.margin_ratio,
            stabilization_seconds=limits.stabilization_seconds,
            trend_window_seconds=limits.trend_window_seconds,
            lead_seconds=limits.lead_seconds,
            drain_seconds=limits.drain_seconds,
            most_gap_seconds=max(_DEFAULT.most_gap_seconds, _MISSED * section.interval_seconds),
        ),
        limits=Limits(
            failure_ratio=limits.failure_ratio,
            least_requests=limits.least_requests,
            p95_seconds=None if limits.p95_seconds is None else Seconds(limits.p95_seconds),
        ),
    )


def _catalogue(models: tuple[ModelConfig, ...]) -> Catalogue:
    if not models:
        return DEFAULT_CATALOGUE
    return Catalogue.of(
        ModelSpec(
            name=model.name,
            tier=model.tier,
            memory_bytes=model.memory_bytes,
            needs_gpu=model.gpu,
        )
        for model in models
    )


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
    cpu = limits.cpu_degrade_from
    if cpu is not None and cpu < limits.upgrade_below:
        yield (
            "scaling.thresholds.cpu_degrade_from: expected at least upgrade_below,"
            f" {limits.upgrade_below:g}, or null, got {cpu:g}"
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
