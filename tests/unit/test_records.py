"""Request lines: every accepted variant, every reason to refuse, on both ways of decoding."""

import json
from bisect import bisect_left
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

import pytest

from surge_exporter.core.records import REQUEST_FIELDS, RequestDecoder
from surge_exporter.model import MAX_SIZE, RejectReason, Request

AT = 1_774_818_251.0
"""2026-03-29T21:04:11Z."""

REQUEST: Mapping[str, Any] = {
    "timestamp": "2026-03-29T21:04:11+00:00",
    "model": "hermes4:14b",
    "caller": "heartbeat_tick",
    "prompt_len": 1834,
    "response_len": 212,
    "success": True,
}


@pytest.fixture(params=["typed", "untyped"])
def decoder(request: pytest.FixtureRequest) -> RequestDecoder:
    """Return a decoder of each kind: a remapped field, here one that no record has, makes the
    decoder read line by line.
    """
    return RequestDecoder({"error": "elsewhere"} if request.param == "untyped" else None)


def line_of(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found).encode() + b"\n"


def request_line(**changes: Any) -> bytes:
    return line_of({**REQUEST, **changes})


def without(*names: str) -> bytes:
    return line_of({name: value for name, value in REQUEST.items() if name not in names})


def with_raw(name: str, text: str) -> bytes:
    """Return a line where `name` has a value that only this JSON text can spell."""
    return without(name).replace(b"{", f'{{"{name}": {text}, '.encode(), 1)


def only(decoder: RequestDecoder, block: bytes) -> Request:
    """Return the one request of a block that has nothing else."""
    decoded = decoder.decode(block)
    assert decoded.rejected == []
    assert decoded.lines == 1
    (record,) = decoded.records
    return record


def reasons(decoder: RequestDecoder, block: bytes) -> list[RejectReason]:
    decoded = decoder.decode(block)
    assert decoded.records == []
    return [rejected.reason for rejected in decoded.rejected]


def test_a_line_of_the_fleet_becomes_a_request(decoder: RequestDecoder) -> None:
    record = only(decoder, request_line())

    assert record.at == AT
    assert (record.caller, record.model, record.success) == ("heartbeat_tick", "hermes4:14b", True)
    assert (record.prompt_len, record.response_len) == (1834, 212)
    assert (record.prompt_tokens, record.response_tokens, record.completion_tokens) == (None,) * 3
    assert (record.duration_seconds, record.duration_ms, record.latency_ms) == (None,) * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("success", False),
        ("prompt_len", 0),
        ("prompt_len", MAX_SIZE),
        ("response_len", None),
        ("prompt_tokens", 458),
        ("response_tokens", 53),
        ("completion_tokens", 53),
        ("duration_ms", 1834),
        ("duration_ms", 1834.5),
        ("latency_ms", 0),
        ("duration_seconds", 1.8345),
        ("caller", 7),
        ("caller", ""),
        ("caller", None),
        ("model", None),
        ("model", "modèle 🦙"),
        ("model", "line\u2028separator"),
    ],
)
def test_a_field_has_the_value_of_the_line(
    decoder: RequestDecoder, name: str, value: object
) -> None:
    record = only(decoder, request_line(**{name: value}))

    assert getattr(record, name) == value


@pytest.mark.parametrize("name", ["caller", "model", "prompt_len", "response_len"])
def test_only_the_timestamp_and_the_success_are_required(
    decoder: RequestDecoder, name: str
) -> None:
    record = only(decoder, without(name))

    assert getattr(record, name) is None


@pytest.mark.parametrize("text", ["12.0", "1.2e1"])
def test_a_size_may_be_written_as_a_float(decoder: RequestDecoder, text: str) -> None:
    assert repr(only(decoder, with_raw("prompt_len", text)).prompt_len) == "12"


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-29T21:04:11Z",
        "2026-03-29T21:04:11",
        "2026-03-29t21:04:11z",
        "2026-03-29 21:04:11 UTC",
        "2026-03-29T23:04:11+02:00",
        1_774_818_251,
        1_774_818_251.0,
        1_774_818_251_000,
        "1774818251",
    ],
)
def test_a_timestamp_may_have_any_known_form(decoder: RequestDecoder, stamp: object) -> None:
    """Cases 15 and 16."""
    assert only(decoder, request_line(timestamp=stamp)).at == AT


@pytest.mark.parametrize("fields", [{}, {"error": "elsewhere"}])
def test_a_naive_timestamp_is_in_the_zone_of_the_decoder(fields: Mapping[str, str]) -> None:
    """Case 14."""
    decoder = RequestDecoder(fields, timezone(timedelta(hours=2)))

    assert only(decoder, request_line(timestamp="2026-03-29T23:04:11")).at == AT


@pytest.mark.parametrize(
    "extra",
    [
        '"text"',
        "null",
        '[1, {"a": []}]',
        "1e999",
        pytest.param("9" * 5000, id="an integer of 5000 digits"),
        r'"\ud800"',
        pytest.param("[" * 50 + "]" * 50, id="50 lists"),
    ],
)
@pytest.mark.parametrize("key", ["session", "at", "surge-exporter:at", ""])
def test_extra_keys_are_ignored(decoder: RequestDecoder, key: str, extra: str) -> None:
    """Case 11."""
    assert only(decoder, with_raw(key, extra)).at == AT


def test_of_a_key_that_comes_twice_the_last_value_counts(decoder: RequestDecoder) -> None:
    """Case 10."""
    line = request_line().replace(b"{", b'{"prompt_len": 1, "caller": [], ', 1)

    record = only(decoder, line)

    assert (record.caller, record.prompt_len) == ("heartbeat_tick", 1834)


@pytest.mark.parametrize(
    "line",
    [
        request_line().replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + request_line(),
        b"\0\0\0\0" + request_line(),
        b"\n  \r\n" + request_line() + b"\n\0\n",
        b" \t" + request_line(),
        request_line().removesuffix(b"\n"),
    ],
)
def test_what_surrounds_a_line_does_not_matter(decoder: RequestDecoder, line: bytes) -> None:
    """Cases 5, 6, 7 and 13."""
    assert only(decoder, line).at == AT


def test_objects_glued_together_all_count(decoder: RequestDecoder) -> None:
    """Case 13."""
    line = b"".join(request_line(caller=caller).strip() for caller in "abc") + b"\n"

    decoded = decoder.decode(line)

    assert [record.caller for record in decoded.records] == ["a", "b", "c"]
    assert decoded.rejected == []
    assert decoded.lines == 1


def test_of_objects_glued_together_a_bad_one_is_rejected_alone(decoder: RequestDecoder) -> None:
    """Case 13."""
    line = request_line().strip() + without("success").strip() + b"\n"

    decoded = decoder.decode(line)

    assert len(decoded.records) == 1
    assert [rejected.reason for rejected in decoded.rejected] == [RejectReason.MISSING_FIELD]
    assert decoded.lines == 1


def test_an_object_glued_to_the_beginning_of_another_is_rejected(decoder: RequestDecoder) -> None:
    """Case 13."""
    assert reasons(decoder, request_line().strip() + b'{"timest\n') == [RejectReason.JSON]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xe9", "caf\ufffd"),
        (b"\xff", "\ufffd"),
        (b"cut \xf0\x9f\x9a", "cut \ufffd"),
        (b"\xed\xa0\xbd\xed\xb0\x80", "\ufffd" * 6),
    ],
    ids=["Latin 1", "no UTF-8 at all", "cut", "CESU-8"],
)
def test_a_line_with_bad_utf8_keeps_its_numbers(
    decoder: RequestDecoder, raw: bytes, text: str
) -> None:
    """Case 4."""
    decoded = decoder.decode(request_line(caller="tick").replace(b"tick", raw))

    assert [(r.caller, r.prompt_len) for r in decoded.records] == [(text, 1834)]
    assert decoded.rejected == []
    assert decoded.repaired == 1


def test_a_lone_surrogate_in_a_name_costs_no_line(decoder: RequestDecoder) -> None:
    """Case 12."""
    assert only(decoder, with_raw("caller", r'"tick\ud800"')).caller == "tick\ud800"


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"{",
        request_line()[:-3],
        request_line().strip() + b"]",
        request_line().replace(b'"', b"'").strip(),
        b"{,}",
        b"{}{",
        b"o\0ne",
        with_raw("x", "NaN").strip(),
        with_raw("prompt_len", "-Infinity").strip(),
        with_raw("x", r'"\q"').strip(),
        with_raw("x", '"\t"').strip(),
        with_raw("x", "01").strip(),
        *(request_line().strip().decode().encode(name) for name in ("utf-16-le", "utf-32-be")),
        pytest.param(b"[" * 200_000, id="200000 open lists"),
        pytest.param(with_raw("x", "[" * 200_000).strip(), id="200000 open lists in a field"),
        pytest.param(b'{"timestamp":' * 200_000, id="200000 open objects"),
    ],
)
def test_what_is_not_json_is_rejected(decoder: RequestDecoder, line: bytes) -> None:
    """Cases 5, 9 and 11. Nor is there any guessing at encodings, as `json.loads` does."""
    assert reasons(decoder, line + b"\n") == [RejectReason.JSON]


def test_an_object_over_two_lines_is_two_bad_lines(decoder: RequestDecoder) -> None:
    line = request_line().replace(b", ", b",\n", 1)

    assert reasons(decoder, line) == [RejectReason.JSON] * 2


@pytest.mark.parametrize(
    "line",
    [b"[]", b"null", b"true", b"1", b'"text"', b"[{}]", b"{} 1", b"{}[]", b"1 2", b'{}""'],
)
def test_json_that_is_no_object_is_rejected(decoder: RequestDecoder, line: bytes) -> None:
    """Case 13."""
    assert reasons(decoder, line + b"\n") == [RejectReason.NOT_OBJECT]


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        without("timestamp"),
        without("success"),
        request_line(timestamp=None),
        request_line(success=None),
    ],
)
def test_a_line_without_a_required_field_is_rejected(decoder: RequestDecoder, line: bytes) -> None:
    assert reasons(decoder, line) == [RejectReason.MISSING_FIELD]


@pytest.mark.parametrize(
    "text",
    [
        '"yesterday"',
        '""',
        r'"\ud800"',
        '"1999-12-31T23:59:59Z"',
        "0",
        "-1774818251",
        "1e999",
        "1e20",
        pytest.param("9" * 400, id="an integer of 400 digits"),
        pytest.param("9" * 5000, id="an integer of 5000 digits"),
        "true",
        "[]",
        "{}",
    ],
)
def test_a_bad_timestamp_is_rejected(decoder: RequestDecoder, text: str) -> None:
    """Case 16."""
    assert reasons(decoder, with_raw("timestamp", text)) == [RejectReason.BAD_TIMESTAMP]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("success", text) for text in ("0", "1", "1.0", '"true"', "[]", "{}")),
        *(("caller", text) for text in ("true", "1.5", "[]", "{}")),
        *(("model", text) for text in ("false", "1e999", "[null]")),
        *(("prompt_len", text) for text in ("-1", str(MAX_SIZE + 1), '"12"', "true", "[]")),
        *(("response_len", text) for text in ("1e999", "-0.5", "9" * 30)),
        ("prompt_tokens", "-1"),
        ("response_tokens", '""'),
        ("completion_tokens", "{}"),
        *(("duration_ms", text) for text in ("-1", "-1e-9", "1e10", "1e999", '"12"', "true")),
        ("duration_seconds", "[]"),
        ("latency_ms", "9" * 400),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_rejected(
    decoder: RequestDecoder, name: str, text: str
) -> None:
    """Case 11."""
    assert reasons(decoder, with_raw(name, text)) == [RejectReason.BAD_VALUE]


@pytest.mark.parametrize("line", [b"\xff", b"\xff\xfe{}", b'{"timestamp":\xff}', b"{}\xc3"])
def test_what_is_neither_utf8_nor_json_is_rejected_for_its_encoding(
    decoder: RequestDecoder, line: bytes
) -> None:
    """Case 4."""
    assert reasons(decoder, line + b"\n") == [RejectReason.ENCODING]


@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("name", ["timestamp", "success", "caller", "prompt_len", "latency_ms"])
def test_a_value_nested_as_deeply_as_python_can_parse_is_rejected(
    decoder: RequestDecoder, name: str, before: str, after: str
) -> None:
    """Case 9. There are depths that can be parsed, but not shown in a message by `repr`."""

    def outcome(depth: int) -> RejectReason:
        (reason,) = reasons(decoder, with_raw(name, f"{before * depth}null{after * depth}"))
        return reason

    limit = bisect_left(range(200_000), 1, key=lambda depth: outcome(depth) is RejectReason.JSON)
    outcomes = {outcome(depth) for depth in range(limit - 20, limit + 20)}

    assert outcomes - {RejectReason.BAD_VALUE, RejectReason.BAD_TIMESTAMP} == {RejectReason.JSON}


def test_a_bad_line_costs_only_itself(decoder: RequestDecoder) -> None:
    block = request_line(caller="a") + b"nonsense\n\n" + request_line(caller="b") + b"[]\n"

    decoded = decoder.decode(block)

    assert [record.caller for record in decoded.records] == ["a", "b"]
    assert [r.reason for r in decoded.rejected] == [RejectReason.JSON, RejectReason.NOT_OBJECT]
    assert decoded.lines == 4
    assert decoded.repaired == 0


def test_a_rejection_shows_the_beginning_of_its_line(decoder: RequestDecoder) -> None:
    line = request_line(success="yes", prompt="x" * 1000)

    (rejected,) = decoder.decode(line).rejected

    assert rejected.excerpt == line.decode()[:200]
    assert rejected.detail == "expected 'success' to be true or false, got 'yes'"


def test_an_empty_block_has_no_lines(decoder: RequestDecoder) -> None:
    decoded = decoder.decode(b"")

    assert decoded.lines == len(decoded.records) == len(decoded.rejected) == 0


REMAPPED = {
    "timestamp": "time.start",
    "caller": "agent.name",
    "model": "gen_ai.request.model",
    "success": "ok",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "duration_ms": "took",
}


@pytest.mark.parametrize(
    "found",
    [
        {
            "time": {"start": "2026-03-29T21:04:11Z"},
            "agent": {"name": "tick"},
            "gen_ai": {"request": {"model": "qwen3:8b"}, "usage": {"input_tokens": 12}},
            "ok": False,
            "took": 5,
        },
        {
            "time.start": AT,
            "agent.name": "tick",
            "gen_ai.request.model": "qwen3:8b",
            "gen_ai.usage.input_tokens": 12,
            "ok": False,
            "took": 5,
            "gen_ai": {"request": {"model": "another"}},
            "caller": "another",
            "success": True,
        },
    ],
    ids=["nested", "literal keys with dots"],
)
def test_a_field_is_read_at_the_path_that_it_is_remapped_to(found: Mapping[str, Any]) -> None:
    record = only(RequestDecoder(REMAPPED), line_of(found))

    assert (record.at, record.caller, record.model) == (AT, "tick", "qwen3:8b")
    assert (record.success, record.prompt_tokens, record.duration_ms) == (False, 12, 5.0)


def test_a_field_that_is_not_remapped_keeps_its_place() -> None:
    record = only(RequestDecoder({"caller": "agent.name"}), request_line(agent={"name": "tick"}))

    assert (record.caller, record.model, record.prompt_len) == ("tick", "hermes4:14b", 1834)


def test_a_path_through_something_that_is_no_object_finds_nothing() -> None:
    decoder = RequestDecoder({"caller": "agent.name", "model": "caller.model"})

    record = only(decoder, request_line(agent=["name"]))

    assert (record.caller, record.model) == (None, None)


def test_a_rejection_names_the_path_that_a_field_is_remapped_to() -> None:
    decoder = RequestDecoder({"success": "result.ok"})

    (missing,) = decoder.decode(request_line()).rejected
    (bad,) = decoder.decode(request_line(result={"ok": 1})).rejected

    assert missing.detail == "expected 'result.ok'"
    assert bad.detail == "expected 'result.ok' to be true or false, got 1"


def test_every_field_of_a_request_but_its_time_can_be_remapped() -> None:
    assert set(REQUEST_FIELDS) == {*Request.__struct_fields__, "error"} - {"at"}
