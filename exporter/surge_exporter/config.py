"""The configuration: YAML in, a checked and complete value out, or a sentence about what is wrong.

Every setting is optional. Thresholds are the signals table's; the config only overrides them.
"""

import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import yaml
from msgspec import inspect

from surge_exporter.config_scaling import ScalingConfig
from surge_exporter.config_scaling import faults as scaling_faults
from surge_exporter.core.cycle import Telemetry
from surge_exporter.core.records import REQUEST_FIELDS
from surge_exporter.core.ticks import TICK_FIELDS
from surge_exporter.model import HOUR, Seconds, Severity, Tuning
from surge_exporter.signals import BATCH_CALLERS, ROWS, SIGNALS, default_tuning

DEFAULT_PORT = 10074
"""The exporter's port: free in Prometheus' list of default ports; stated here alone."""

REQUEST_GLOB = "metrics/local_*.jsonl"
HEARTBEAT_GLOB = "heartbeat/ticks_*.jsonl"

SHORTEST_HORIZON_HOURS = 0.05
LONGEST_HORIZON_HOURS = 336.0

_MOST = 1e9
"""No number that anybody means is larger: 32 years, a billion requests/s."""
_NOT_YAML = (yaml.YAMLError, ValueError, AttributeError, RecursionError)
"""What PyYAML raises: for a date like 2026-13-45, say, its constructors' own errors."""
_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
_ANY_KEY = "..."
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "null": "nothing",
}
"""What msgspec calls a type, and what people do."""


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file, the setting, the fault."""


def _about(text: str) -> msgspec.Meta:
    """Describe a setting; the docs and the sample configuration are made of this."""
    return msgspec.Meta(description=text)


def _positive(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, gt=0, le=_MOST)


def _count(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text, ge=1, le=100_000)


class TelemetryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where telemetry is and what its lines look like."""

    directory: Annotated[str, _about("Where the patterns below begin.")] = "."
    requests: Annotated[
        tuple[str, ...], _about("Files with a line per inference request; globs.")
    ] = (REQUEST_GLOB,)
    heartbeat: Annotated[tuple[str, ...], _about("Files with a line per health tick; globs.")] = (
        HEARTBEAT_GLOB,
    )
    timezone: Annotated[str, _about("Of timestamps that name none, like Europe/Berlin.")] = "UTC"
    stale_after_seconds: Annotated[
        float, _positive("Without a record for so long, demand is unknown and not idle.")
    ] = 900.0
    request_fields: Annotated[
        dict[str, str],
        _about("Where request fields stand in your lines, by dotted path: {caller: agent.name}."),
    ] = {}
    heartbeat_fields: Annotated[
        dict[str, str], _about("Where heartbeat fields stand, likewise.")
    ] = {}


class WindowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far the verdict looks back, and ahead."""

    horizon_hours: Annotated[
        float,
        msgspec.Meta(
            description="Length of the recent window, the baseline and the forecast.",
            ge=SHORTEST_HORIZON_HOURS,
            le=LONGEST_HORIZON_HOURS,
        ),
    ] = 6.0


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What keeps memory and the number of series bounded."""

    callers: Annotated[int, _count("Callers told apart; the rest is counted as __other__.")] = 500
    models: Annotated[int, _count("Models told apart, likewise.")] = 50
    idle_expiry_seconds: Annotated[
        float, _positive("Callers and models silent for so long are forgotten.")
    ] = 7 * 86400.0


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the exporter listens and what it allows."""

    listen_addresses: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="host:port, [::1]:port, or :port for every address.", min_length=1
        ),
    ] = (f"127.0.0.1:{DEFAULT_PORT}",)
    enable_lifecycle: Annotated[bool, _about("Allow POST /-/reload.")] = False


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration."""

    telemetry: TelemetryConfig = TelemetryConfig()
    window: WindowConfig = WindowConfig()
    capacity_requests_per_second: (
        Annotated[float, _positive("What the fleet can serve; unset, nothing is held to it.")]
        | None
    ) = None
    batch_callers: Annotated[
        tuple[str, ...], _about("Callers whose work can wait: names or globs, in any case.")
    ] = BATCH_CALLERS
    signals: Annotated[
        dict[str, dict[str, float]],
        _about("Thresholds and parameters of the signals table: {demand_surge: {warning: 2}}."),
    ] = {}
    limits: LimitsConfig = LimitsConfig()
    scaling: ScalingConfig = ScalingConfig()
    web: WebConfig = WebConfig()


def load(path: Path) -> Config:
    """Return the configuration in a YAML file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or holds what no setting takes.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text: {error.reason}") from error


def parse(text: str, origin: str = "config") -> Config:
    """Return the configuration in some YAML; `origin` names it in errors.

    Raises:
        ConfigError: not YAML, or it holds what no setting takes.
    """
    try:
        found = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - derived from SafeLoader
    except _NOT_YAML as error:
        raise ConfigError(f"{origin}: expected YAML: {_yaml_fault(error)}") from error
    found = {} if found is None else found
    try:
        config = msgspec.convert(found, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {_type_fault(str(error), found)}") from error
    _check(config, origin)
    return config


def with_numbers(config: Config, assignments: Iterable[str], origin: str) -> Config:
    """Return the configuration with numbers of the signals table set, as `signal.name=number`.

    Raises:
        ConfigError: it is no assignment, or of what no setting takes.
    """
    signals = {name: dict(numbers) for name, numbers in config.signals.items()}
    for assignment in assignments:
        path, _, number = assignment.partition("=")
        name, _, setting = path.strip().partition(".")
        try:
            signals.setdefault(name, {})[setting] = float(number)
        except ValueError as error:
            raise ConfigError(
                f"{origin}: expected signal.threshold=number, like demand_surge.warning=2,"
                f" got {assignment!r}"
            ) from error
    config = msgspec.structs.replace(config, signals=signals)
    _check(config, origin)
    return config


def to_yaml(config: Config) -> str:
    """Return the resolved configuration, defaults and thresholds filled in, as YAML."""
    plain = msgspec.to_builtins(config)
    plain["signals"] = _resolved_signals(config)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def telemetry(config: Config) -> Telemetry:
    """Return what the core must know to read telemetry."""
    section = config.telemetry
    return Telemetry(
        horizon_seconds=Seconds(config.window.horizon_hours * HOUR),
        stale_after_seconds=Seconds(section.stale_after_seconds),
        request_fields=section.request_fields,
        heartbeat_fields=section.heartbeat_fields,
        zone=_zone(section.timezone),
        caller_limit=config.limits.callers,
        model_limit=config.limits.models,
        idle_expiry_seconds=Seconds(config.limits.idle_expiry_seconds),
    )


def tuning(config: Config) -> Tuning:
    """Return the signals table's numbers with the configured ones in their place."""
    default = default_tuning()
    resolved = _resolved_signals(config)
    return Tuning(
        thresholds={key: resolved[key[0]][key[1]] for key in default.thresholds},
        parameters={key: resolved[key[0]][key[1]] for key in default.parameters},
        batch_callers=config.batch_callers,
        capacity_requests_per_second=config.capacity_requests_per_second,
    )


def _resolved_signals(config: Config) -> dict[str, dict[str, float]]:
    resolved: dict[str, dict[str, float]] = {}
    for signal in SIGNALS:
        defaults = {str(severity): value for severity, value in signal.thresholds.items()}
        overrides = config.signals.get(signal.name, {})
        resolved[signal.name] = {**defaults, **signal.parameters, **overrides}
    return resolved


def _check(config: Config, origin: str) -> None:
    """Check what types can not say."""
    for name, numbers in config.signals.items():
        _check_signal(name, numbers, _resolved_signals(config), origin)
    for setting, fields, allowed in (
        ("request_fields", config.telemetry.request_fields, REQUEST_FIELDS),
        ("heartbeat_fields", config.telemetry.heartbeat_fields, TICK_FIELDS),
    ):
        for name, path in fields.items():
            if name not in allowed:
                raise ConfigError(f"{origin}: {_unknown(f'telemetry.{setting}.{name}', allowed)}")
            if not path:
                raise ConfigError(
                    f"{origin}: telemetry.{setting}.{name}: expected a dotted path, got ''"
                )
    for fault in scaling_faults(config.scaling):
        raise ConfigError(f"{origin}: {fault}")
    try:
        _zone(config.telemetry.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"{origin}: telemetry.timezone: expected a name like Europe/Berlin,"
            f" got {config.telemetry.timezone!r}"
        ) from error


def _check_signal(
    name: str,
    numbers: Mapping[str, float],
    resolved: Mapping[str, Mapping[str, float]],
    origin: str,
) -> None:
    if name not in ROWS:
        raise ConfigError(f"{origin}: {_unknown(f'signals.{name}', ROWS)}")
    known = (*map(str, ROWS[name].thresholds), *ROWS[name].parameters)
    for key, value in numbers.items():
        if key not in known:
            raise ConfigError(f"{origin}: {_unknown(f'signals.{name}.{key}', known)}")
        if not 0 <= value <= _MOST:
            raise ConfigError(
                f"{origin}: signals.{name}.{key}: expected a number from 0 to {_MOST:g},"
                f" got {value:g}"
            )
    both = resolved[name]
    has_both = ROWS[name].thresholds.keys() == set(Severity)
    if has_both and both[Severity.CRITICAL] < both[Severity.WARNING]:
        raise ConfigError(
            f"{origin}: signals.{name}.critical: expected at least its warning,"
            f" {both[Severity.WARNING]:g}, got {both[Severity.CRITICAL]:g}"
        )


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _unknown(setting: str, known: Iterable[str]) -> str:
    return f"unknown setting {setting}; known there: {', '.join(known)}"


def _yaml_fault(error: Exception) -> str:
    """Return what is wrong and where; PyYAML's own message is a drawing over many lines."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        fault = ", ".join(filter(None, (error.context, error.problem)))
        return f"{fault} (line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split())


def _type_fault(message: str, found: Any) -> str:
    """Return msgspec's message with the place as people write it, and with what came.

    msgspec writes "Expected `float`, got `str` - at `$.signals[...][...]`".
    """
    fault, separator, path = message.rpartition(" - at `$")  # a key may say the same, before it
    fault, path = (fault, path) if separator else (message, "")
    fault = fault.replace("`", "")
    steps = re.findall(r"\.\.\.|\w+", path)
    expected, _, came = fault.partition(", got ")
    unknown = expected.removeprefix("Object contains unknown field ")
    if unknown != expected:
        place = re.sub(r"\.(\d+)", r"[\1]", ".".join((*steps, unknown)))
        return _unknown(place, _known_at(steps))
    where, value = next(
        (where, value)
        for where, value in _places(found, steps)
        if _ANY_KEY not in steps or _msgspec_name(value) == came
    )
    missing = expected.removeprefix("Object missing required field ")
    if missing != expected:
        return f"{where.lstrip('.')}.{missing}: expected a value, got nothing"
    if expected.startswith("Invalid enum value"):
        expected = f"expected one of {', '.join(_known_at(steps))}"
    return f"{where.lstrip('.') or 'top level'}: {_in_words(expected)}, got {_show(value)}"


def _known_at(steps: Sequence[str]) -> tuple[str, ...]:
    """Return the settings, or the values, that are known at a path in the configuration."""
    kind = inspect.type_info(Config)
    for step in (*steps, ""):
        while isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.StructType) and step:
            kind = next(field.type for field in kind.fields if field.name == step)
    if isinstance(kind, inspect.EnumType):
        return tuple(str(member.value) for member in kind.cls)
    return tuple(f.name for f in kind.fields) if isinstance(kind, inspect.StructType) else ()


def _places(value: Any, steps: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield each place that a path may mean, and what stands there."""
    if not steps:
        yield "", value
        return
    step, *rest = steps
    if step == _ANY_KEY:
        inside = {f".{key}": there for key, there in value.items()}
    elif step.isdecimal():
        inside = {f"[{step}]": value[int(step)]}
    else:
        inside = {f".{step}": value[step]}
    for name, there in inside.items():
        for where, found in _places(there, rest):
            yield name + where, found


def _msgspec_name(value: Any) -> str:
    names = {type(None): "null", dict: "object", list: "array"}
    return names.get(type(value), type(value).__name__)


def _in_words(expected: str) -> str:
    """Put msgspec's types as people say them, and bounds without digits that help nobody.

    >>> _in_words("Expected float >= 0.016666666666666666")
    'expected a number >= 0.0166667'
    """
    words = re.sub(r"[a-z]+", lambda word: _WORDS.get(word[0], word[0]), expected.lower())
    words = words.replace(" | ", " or ")
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):g}", words)


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else reprlib.repr(value)


class _StrictLoader(yaml.SafeLoader):
    """YAML takes any value for a key and lets a later key replace an earlier one; not here."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Read a mapping, refusing a key that is not text or there twice."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if key.tag not in _KEY_TAGS:
                raise _at(key, f"found {key.tag.rpartition(':')[2]} as a key, not text")
            if key.value in seen:
                raise _at(key, f"found the key {key.value!r:.80} twice")
            seen.add(key.value)
        return node


def _at(key: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
