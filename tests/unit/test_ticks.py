"""Heartbeat lines: nested and flat, with checks that say nothing, and every reason to refuse."""

import json
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

import pytest

from surge_exporter.core.ticks import TickDecoder
from surge_exporter.model import RejectReason, Tick, UnixSeconds

AT = UnixSeconds(1_774_818_251.0)
STAMP = "2026-03-29T21:04:11+00:00"

Check = bool | None


def line_of(found: Mapping[str, Any]) -> bytes:
    return json.dumps({"tick_id": "20260329_210411", "timestamp": STAMP, **found}).encode() + b"\n"


def reasons(line: bytes) -> list[RejectReason]:
    decoded = TickDecoder().decode(line)
    assert decoded.records == []
    return [rejected.reason for rejected in decoded.rejected]


@pytest.mark.parametrize(
    ("found", "gitea", "inference"),
    [
        (
            {
                "perception": {
                    "gitea_alive": True,
                    "model_health": {
                        "ollama_running": True,
                        "inference_ok": False,
                        "models_loaded": ["hermes4:14b"],
                    },
                },
                "actions": [],
            },
            True,
            False,
        ),
        ({"gitea_alive": False, "model_health": {"inference_ok": True}}, False, True),
        ({"gitea_alive": True, "inference_ok": True}, True, True),
        ({"perception": {"gitea_alive": False}, "inference_ok": True}, False, True),
        ({"perception": {"gitea_alive": False}, "gitea_alive": True}, False, None),
        ({"perception": {"gitea_alive": None}, "gitea_alive": True}, True, None),
        ({"perception.gitea_alive": False, "model_health.inference_ok": True}, False, True),
        ({"perception": {"gitea_alive": True, "model_health": "unreadable"}}, True, None),
        ({"gitea_alive": True, "model_health": "unreadable"}, True, None),
        ({"gitea_alive": None, "model_health": None}, None, None),
        ({"perception": None}, None, None),
        ({"perception": "unreadable"}, None, None),
        ({"perception": [True]}, None, None),
        ({}, None, None),
    ],
)
def test_a_tick_says_what_its_checks_say(
    found: Mapping[str, Any], gitea: Check, inference: Check
) -> None:
    decoded = TickDecoder().decode(line_of(found))

    assert decoded.records == [Tick(AT, gitea, inference)]
    assert decoded.rejected == []


def test_a_check_is_read_at_the_path_that_it_is_remapped_to() -> None:
    decoder = TickDecoder(
        {"timestamp": "when", "gitea_alive": "forge.up", "inference_ok": "llm.up"}
    )
    line = b'{"when": 1774818251, "forge": {"up": false}, "llm.up": true}\n'

    assert decoder.decode(line).records == [Tick(AT, gitea=False, inference=True)]


def test_a_naive_timestamp_is_in_the_zone_of_the_decoder() -> None:
    """Case 14."""
    decoder = TickDecoder(zone=timezone(timedelta(hours=2)))

    (tick,) = decoder.decode(line_of({"timestamp": "2026-03-29T23:04:11"})).records

    assert tick.at == AT


def test_lines_are_counted_whatever_becomes_of_them() -> None:
    tick = line_of({"gitea_alive": True})
    block = b"\xef\xbb\xbf" + tick + b"\n\0\0" + tick + b"nonsense\r\n" + tick.strip() + tick

    decoded = TickDecoder().decode(block)

    assert decoded.records == [Tick(AT, gitea=True, inference=None)] * 4
    assert [rejected.reason for rejected in decoded.rejected] == [RejectReason.JSON]
    assert decoded.lines == 4


def test_a_line_with_bad_utf8_keeps_its_checks() -> None:
    """Case 4."""
    decoded = TickDecoder().decode(line_of({"gitea_alive": True, "x": "?"}).replace(b"?", b"\xff"))

    assert decoded.records == [Tick(AT, gitea=True, inference=None)]
    assert decoded.repaired == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense\n", RejectReason.JSON),
        (line_of({"gitea_alive": float("nan")}), RejectReason.JSON),
        (line_of({})[:-3] + b"\n", RejectReason.JSON),
        (b"[]\n", RejectReason.NOT_OBJECT),
        (b"{}\n", RejectReason.MISSING_FIELD),
        (line_of({"timestamp": None}), RejectReason.MISSING_FIELD),
        (line_of({"timestamp": "soon"}), RejectReason.BAD_TIMESTAMP),
        (line_of({"timestamp": True}), RejectReason.BAD_TIMESTAMP),
        (line_of({"gitea_alive": 1}), RejectReason.BAD_VALUE),
        (line_of({"gitea_alive": "false"}), RejectReason.BAD_VALUE),
        (line_of({"model_health": {"inference_ok": "unreadable"}}), RejectReason.BAD_VALUE),
        (line_of({"perception": {"gitea_alive": 0.0}}), RejectReason.BAD_VALUE),
        (line_of({"inference_ok": []}), RejectReason.BAD_VALUE),
        (line_of({"model_health": {"inference_ok": {}}}), RejectReason.BAD_VALUE),
        (b"\xff\xfe\n", RejectReason.ENCODING),
    ],
)
def test_a_line_that_is_no_tick_is_rejected_with_a_reason(
    line: bytes, reason: RejectReason
) -> None:
    assert reasons(line) == [reason]


def test_a_rejection_names_the_check_and_shows_its_line() -> None:
    line = line_of({"gitea_alive": 1})

    (rejected,) = TickDecoder().decode(line).rejected

    assert rejected.detail == "expected 'gitea_alive' to be true or false, got 1"
    assert rejected.excerpt == line.decode().strip()


def test_a_request_line_among_ticks_is_rejected_and_not_a_tick_that_says_nothing() -> None:
    decoded = TickDecoder().decode(
        b'{"timestamp":"2026-03-29T21:04:11Z","caller":"x","success":true}\n'
    )

    assert decoded.records == []
    assert [line.reason for line in decoded.rejected] == [RejectReason.MISSING_FIELD]
