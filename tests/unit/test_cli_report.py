"""`report` at the command line: what it reads, as of when, and what it says of mistakes."""

import errno
import gzip
import json
import os
import pty
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surge_exporter.cli import main
from surge_exporter.model import HOUR
from tests.commandline import run, sentence
from tests.fakes import FakeClock
from tests.telemetry import NOW, request_line, spread, tick_line

DAY = 24 * HOUR
MODULE = "surge_exporter.commands.report"
SHOW_PROGRESS_FROM_BYTES = "surge_exporter.commands.telemetry._SHOW_PROGRESS_FROM_BYTES"
FAR_FUTURE = 4_102_444_800.0
"""2100: what a clock says that was never set right."""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Let the machine's clock be a day after the telemetry."""
    clock = FakeClock(NOW + DAY)
    monkeypatch.setattr(f"{MODULE}.SystemClock", lambda: clock)
    return clock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def requests(*times: float, caller: str = "heartbeat_tick") -> bytes:
    return b"".join(request_line(at, caller=caller) for at in times)


def ticks(*times: float, gitea: bool = True) -> bytes:
    return b"".join(tick_line(at, gitea=gitea) for at in times)


def write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def telemetry(folder: Path) -> None:
    """Write two requests and a tick where telemetry is by default."""
    write(folder / "metrics/local_20260329.jsonl", requests(NOW - 60, NOW))
    write(folder / "heartbeat/ticks_20260329.jsonl", ticks(NOW))


def report(*arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Any:
    """Return the JSON of a report that nothing was wrong with."""
    result = run("report", "--json", *arguments, stdin=stdin, env=env)
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def seen(found: Any) -> tuple[int, int | None]:
    """Return the lines that were read of either source."""
    sources = found["sources"]
    return sources["requests"]["lines"], sources["heartbeat"]["lines"]


def as_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def refused(result: Result) -> str:
    """Return the sentence with which a wrong use ended."""
    assert result.exit_code == 2
    return sentence(result)


def failed(result: Result) -> str:
    """Return the sentence with which a right use ended that could not be fulfilled."""
    assert result.exit_code == 1
    return sentence(result)


def test_telemetry_is_found_under_the_current_directory(folder: Path) -> None:
    telemetry(folder)

    assert seen(report()) == (2, 1)


def test_telemetry_is_found_under_the_directory_of_the_option(folder: Path) -> None:
    telemetry(folder / "fleet")

    assert seen(report("--telemetry-dir", "fleet")) == (2, 1)


def test_telemetry_is_found_under_the_directory_of_the_environment(folder: Path) -> None:
    telemetry(folder / "fleet")

    assert seen(report(env={"SURGE_TELEMETRY_DIR": "fleet"})) == (2, 1)


def test_one_source_is_enough(folder: Path) -> None:
    write(folder / "heartbeat/ticks_20260329.jsonl", ticks(NOW))

    assert seen(report()) == (0, 1)


@pytest.mark.parametrize(
    ("names", "arguments"),
    [
        (["a.jsonl"], ["a.jsonl"]),
        (["a.jsonl", "b.jsonl"], ["*.jsonl"]),
        (["x/a.jsonl", "y/z/b.jsonl"], ["**/*.jsonl"]),
        (["a.jsonl", "b.jsonl"], ["a.jsonl", "b.jsonl"]),
        (["a.jsonl", "b.jsonl"], ["a.jsonl", "[bc].jsonl"]),
        (["a[1].jsonl", "a1.jsonl"], ["a[1].jsonl", "a1.jsonl"]),
        (["a.jsonl"], ["a.jsonl", "*.jsonl", "./a.jsonl"]),
    ],
)
def test_paths_and_globs_name_files_each_of_which_counts_once(
    folder: Path, names: list[str], arguments: list[str]
) -> None:
    for name in names:
        write(folder / name, requests(NOW))

    found = report(*(part for name in arguments for part in ("--metrics", name)))

    assert found["sources"]["requests"]["files"] == found["recent_requests"] == len(names)


def test_a_link_to_a_file_that_is_named_too_counts_once(folder: Path) -> None:
    write(folder / "local_20260329.jsonl", requests(NOW))
    (folder / "local_current.jsonl").symlink_to("local_20260329.jsonl")

    assert report("--metrics", "local_*.jsonl")["recent_requests"] == 1


@pytest.mark.parametrize(
    "data",
    [
        requests(NOW - 60, NOW),
        requests(NOW - 60, NOW).removesuffix(b"\n"),
        requests(NOW - 60, NOW).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + requests(NOW - 60, NOW),
        b"\n\n" + requests(NOW - 60) + b"\n" + requests(NOW) + b"\n",
    ],
    ids=["lines", "no_last_newline", "windows", "byte_order_mark", "blank_lines"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_every_form_of_a_file_gives_the_same_report(
    folder: Path, data: bytes, pack: Callable[[bytes], bytes], source: str
) -> None:
    path = write(folder / "any", pack(data))

    found = report("--metrics", "-" if source == "stdin" else path, stdin=pack(data))

    assert (seen(found), found["recent_requests"]) == ((2, 0), 2)
    assert found["generated_at"] == as_of(NOW)


def test_standard_input_and_files_count_together(folder: Path) -> None:
    write(folder / "a.jsonl", requests(NOW))

    assert seen(report("--metrics", "a.jsonl", "--metrics", "-", stdin=requests(NOW))) == (2, 0)


def test_a_pipe_is_read_like_a_file() -> None:
    reading, writing = os.pipe()
    os.write(writing, requests(NOW - 60, NOW))
    os.close(writing)

    found = report("--metrics", f"/dev/fd/{reading}")

    os.close(reading)
    assert (found["recent_requests"], found["generated_at"]) == (2, as_of(NOW))


def test_the_configuration_says_what_lines_look_like(folder: Path) -> None:
    write(folder / "a.jsonl", b'{"when":"2026-03-29 21:04:00","success":true}')
    write(
        folder / "surge.yml",
        b"telemetry:\n"
        b"  requests: ['a.jsonl']\n"
        b"  timezone: Europe/Berlin\n"
        b"  request_fields: {timestamp: when}\n",
    )

    assert report("--config.file", "surge.yml")["generated_at"] == as_of(NOW)
    assert report(env={"SURGE_CONFIG_FILE": "surge.yml"})["generated_at"] == as_of(NOW)


def test_the_configuration_sets_thresholds(folder: Path) -> None:
    write(folder / "metrics/local_1.jsonl", requests(NOW))
    write(folder / "heartbeat/ticks_1.jsonl", ticks(NOW, gitea=False))
    write(folder / "surge.yml", b"signals: {gitea_outages: {warning: 2}}\n")

    assert report()["dispatch_posture"] == "degraded"
    assert report("--config.file", "surge.yml")["dispatch_posture"] == "normal"


@pytest.mark.parametrize(
    ("arguments", "hours", "recent"),
    [([], 6, 3), (["--horizon", "1"], 1, 2), (["--horizon", "0.5"], 0.5, 1)],
)
def test_the_horizon_is_the_length_of_the_recent_window(
    folder: Path, arguments: list[str], hours: float, recent: int
) -> None:
    write(folder / "metrics/local_1.jsonl", requests(NOW - 2 * HOUR, NOW - 0.9 * HOUR, NOW))

    found = report(*arguments)

    assert (found["horizon_hours"], found["recent_requests"]) == (hours, recent)


def test_75_requests_after_48_are_a_surge(folder: Path) -> None:
    times = (*spread(48, NOW - 12 * HOUR, NOW - 6 * HOUR), *spread(75, NOW - 6 * HOUR, NOW))
    write(folder / "metrics/local_1.jsonl", requests(*times))

    found = report("--now", str(NOW))

    assert (found["recent_requests"], found["baseline_requests"]) == (75, 48)
    assert (found["surge_factor"], found["resource_mode"]) == (1.56, "surge")


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-29T19:04:00Z",
        "2026-03-29T19:04:00+00:00",
        "2026-03-29T21:04:00.000+02:00",
        "2026-03-29 19:04",
        "20260329T190400Z",
        "2026-03-29 19:04:00 UTC",
        "1774811040",
        "1774811040.0",
        "1774811040000",
    ],
)
def test_now_takes_every_form_of_a_timestamp(folder: Path, text: str) -> None:
    telemetry(folder)

    assert report("--now", text)["generated_at"] == as_of(NOW)


def test_now_without_an_offset_is_in_the_timezone_of_the_telemetry(folder: Path) -> None:
    telemetry(folder)
    write(folder / "surge.yml", b"telemetry: {timezone: Asia/Tokyo}\n")

    found = report("--config.file", "surge.yml", "--now", "2026-03-30T04:04")

    assert found["generated_at"] == as_of(NOW)


def test_nothing_after_now_counts(folder: Path) -> None:
    write(folder / "metrics/local_1.jsonl", requests(NOW - 60, NOW, NOW + 1, NOW + 600))
    write(folder / "heartbeat/ticks_1.jsonl", ticks(NOW + 1, gitea=False))

    found = report("--now", str(NOW))

    assert (found["recent_requests"], found["gitea_outages"]) == (2, 0)


@pytest.mark.parametrize("text", ["", "yesterday", "nan", "inf", "1999-12-31", "0", "2026-13-01"])
def test_a_now_that_is_no_time_is_refused(folder: Path, text: str) -> None:
    telemetry(folder)

    assert refused(run("report", "--now", text)).startswith("--now: expected ")


def long_log(*last: float) -> bytes:
    """Return more lines than the end of a file that is looked at first, the last ones given."""
    rng = random.Random(5)
    times = sorted(NOW - rng.uniform(60, HOUR) for _ in range(4000))
    return requests(*times, *last)


MIDDLE = long_log().count(b"\n") // 2


def with_in_the_middle(line: bytes) -> bytes:
    lines = long_log().splitlines(keepends=True)
    return b"".join((*lines[:MIDDLE], line, *lines[MIDDLE:]))


@pytest.mark.parametrize(
    "files",
    [
        {"metrics/local_1.jsonl": requests(NOW - 60, NOW)},
        {"metrics/local_1.jsonl": requests(NOW, NOW - 60, NOW - 9)},
        {"metrics/local_1.jsonl": requests(NOW), "metrics/local_2.jsonl": requests(NOW - 60)},
        {"metrics/local_1.jsonl": requests(NOW - 60), "heartbeat/ticks_1.jsonl": ticks(NOW)},
        {"metrics/local_1.jsonl": long_log(NOW)},
        {"metrics/local_1.jsonl": requests(NOW) + long_log()},
        {"metrics/local_1.jsonl": with_in_the_middle(requests(NOW))},
        {"metrics/local_1.jsonl": gzip.compress(requests(NOW - 60, NOW))},
        {
            "metrics/local_1.jsonl": gzip.compress(with_in_the_middle(requests(NOW))),
            "metrics/local_2.jsonl": requests(NOW - 60),
        },
    ],
    ids=[
        "last_line",
        "out_of_order",
        "first_file",
        "other_source",
        "large_last_line",
        "large_first_line",
        "large_middle",
        "gzip",
        "gzip_beside_plain",
    ],
)
def test_the_report_is_as_of_the_newest_record_wherever_it_is(
    folder: Path, files: Mapping[str, bytes]
) -> None:
    for name, data in files.items():
        write(folder / name, data)

    found = report()

    assert found["generated_at"] == as_of(NOW)
    lines = sum(gzip_or_plain(data).count(b"\n") for data in files.values())
    assert sum(count or 0 for count in seen(found)) == lines


def gzip_or_plain(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


@pytest.mark.parametrize(
    "files",
    [
        {"metrics/local_1.jsonl": requests(NOW, FAR_FUTURE)},
        {"metrics/local_1.jsonl": requests(FAR_FUTURE, NOW)},
        {"metrics/local_1.jsonl": long_log(NOW, FAR_FUTURE)},
        {"metrics/local_1.jsonl": requests(NOW), "heartbeat/ticks_1.jsonl": ticks(FAR_FUTURE)},
        {"metrics/local_1.jsonl": requests(NOW) + requests(*[FAR_FUTURE] * 2000)},
        {
            "metrics/local_1.jsonl": gzip.compress(requests(NOW)),
            "heartbeat/ticks_1.jsonl": ticks(FAR_FUTURE),
        },
    ],
    ids=["last", "first", "large", "other_source", "the_whole_end", "beside_gzip"],
)
def test_a_line_of_a_clock_that_is_wrong_does_not_move_the_report(
    folder: Path, files: Mapping[str, bytes]
) -> None:
    for name, data in files.items():
        write(folder / name, data)

    assert report()["generated_at"] == as_of(NOW)


def test_a_clock_a_few_minutes_ahead_is_not_wrong(folder: Path, clock: FakeClock) -> None:
    clock.set_wall(NOW - 290)
    write(folder / "metrics/local_1.jsonl", requests(NOW - 3600, NOW))

    assert report()["generated_at"] == as_of(NOW)


def test_telemetry_of_a_wrong_clock_alone_is_reported_on_in_its_own_time(folder: Path) -> None:
    write(folder / "metrics/local_1.jsonl", requests(FAR_FUTURE - 60, FAR_FUTURE))

    found = report()

    assert (found["generated_at"], found["recent_requests"]) == (as_of(FAR_FUTURE), 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no telemetry: expected files like metrics/local_*.jsonl or heartbeat/ticks_"),
        (["--telemetry-dir", "no"], "no telemetry: expected files like no/metrics/local_*.jsonl"),
        (["--metrics", "no.jsonl"], "no such file: no.jsonl"),
        (["--heartbeat", "no.jsonl"], "no such file: no.jsonl"),
        (["--metrics", "no*.jsonl"], "no file matches --metrics no*.jsonl"),
        (["--heartbeat", "no*", "--heartbeat", "nor*"], "no file matches --heartbeat no* nor*"),
        (["--metrics", "x" * 300], "no such file: xxx"),
        (["--metrics", "."], "expected a file, got the directory ."),
        (["--metrics", "/proc/self/f[d]"], "expected a file, got the directory /proc/self/fd"),
        (["--metrics", "-", "--heartbeat", "-"], "standard input can be read once"),
        (["--config.file", "no.yml"], "no.yml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_found_gets_a_sentence(arguments: list[str], said: str) -> None:
    assert refused(run("report", *arguments)).startswith(said)


@pytest.mark.parametrize("hours", ["0", "-1", "337", "nan", "inf", "six"])
def test_an_impossible_horizon_is_refused(hours: str) -> None:
    result = run("report", "--horizon", hours)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value for '--horizon'" in result.stderr


def test_a_link_to_nothing_gets_a_sentence(folder: Path) -> None:
    (folder / "local_current.jsonl").symlink_to("gone.jsonl")

    said = failed(run("report", "--metrics", "local_*.jsonl", "--now", "2026-03-29"))

    assert said == "local_current.jsonl: cannot be read: No such file or directory"


def test_a_file_that_is_there_and_cannot_be_read_is_a_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry(folder)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("surge_exporter.runtime.inputs.open", refuse, raising=False)

    said = failed(run("report"))
    assert said == "metrics/local_20260329.jsonl: cannot be read: Permission denied"


PACKED = gzip.compress(requests(*spread(100, NOW - HOUR, NOW)))
STORED = gzip.compress(requests(*spread(100, NOW - HOUR, NOW)), compresslevel=0)


@pytest.mark.parametrize(
    ("data", "least"),
    [
        (PACKED[: len(PACKED) // 2], 1),
        (STORED[: len(STORED) // 2], 49),
        (PACKED[:-8] + bytes(8), 100),
        (PACKED + b"trailing", 100),
        (PACKED + b"\x1f\x8btrailing", 100),
        (PACKED + gzip.compress(b"")[:10] + b"\xff" * 100, 100),
    ],
    ids=["cut", "cut_raw", "wrong_checksum", "trailing", "no_member", "no_deflate"],
)
@pytest.mark.parametrize("name", ["a.jsonl.gz", "-"])
def test_the_records_before_a_break_in_gzip_data_count_and_the_break_is_noted(
    folder: Path, data: bytes, least: int, name: str
) -> None:
    write(folder / "a.jsonl.gz", data)

    result = run("report", "--metrics", name, "--json", stdin=data)

    known_as = "standard input" if name == "-" else name
    assert result.exit_code == 0
    assert least <= json.loads(result.stdout)["recent_requests"] <= 100
    assert result.stderr.startswith(f"Note: {known_as}: broken gzip data: ")
    assert result.stderr.endswith("; what could be read before that counts.\n")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "data",
    [PACKED[:10] + b"\xff" * 100, b"\x1f\x8bno gzip", PACKED[:5]],
    ids=["no_deflate", "only_the_magic", "cut_header"],
)
@pytest.mark.parametrize("name", ["a.jsonl.gz", "-"])
def test_gzip_data_of_which_nothing_can_be_read_is_a_failure(
    folder: Path, data: bytes, name: str
) -> None:
    write(folder / "a.jsonl.gz", data)
    write(folder / "heartbeat/ticks_1.jsonl", ticks(NOW))

    said = failed(run("report", "--metrics", name, stdin=data))

    known_as = "standard input" if name == "-" else name
    assert said.startswith(f"nothing could be read: {known_as}: broken gzip data: ")


def test_a_closed_standard_input_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surge_exporter.runtime.inputs.sys.stdin", None)

    with pytest.raises(SystemExit) as ended:
        main(["report", "--metrics", "-"])

    assert ended.value.code == 2


@pytest.mark.parametrize(
    "data", [b"", b"\n \n\n", gzip.compress(b"")], ids=["nothing", "blank", "packed"]
)
def test_an_empty_file_is_noted_and_reported_on_as_of_the_clock(
    folder: Path, clock: FakeClock, data: bytes
) -> None:
    write(folder / "a.jsonl", data)

    result = run("report", "--metrics", "a.jsonl", "--json")

    assert (result.exit_code, result.stderr) == (
        0,
        "Note: a.jsonl is empty: nothing in it counts.\n",
    )
    assert json.loads(result.stdout)["generated_at"] == as_of(clock.now())


def test_garbage_alone_is_a_failure(folder: Path) -> None:
    write(folder / "a.jsonl", b"garbage\n{}\n[]\n")

    result = run("report", "--metrics", "a.jsonl")

    assert result.exit_code == 1
    assert sentence(result).startswith(
        "no line could be read as telemetry: 3 of 3 lines of a.jsonl hold no request"
        " (json 1, missing_field 1, not_object 1); the first: expected a JSON object, "
    )


def test_garbage_among_records_is_noted_with_counts_by_reason(folder: Path) -> None:
    too_long = b'{"x":"' + b"x" * 1024 * 1024 + b'"}\n'
    lines = requests(NOW) + b"garbage\n" * 2 + b'{"timestamp":"noon"}\n' + too_long
    write(folder / "a.jsonl", lines)

    result = run("report", "--metrics", "a.jsonl", "--json")

    assert result.exit_code == 0
    assert "Note: 4 of 5 lines of a.jsonl hold no request (" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert json.loads(result.stdout)["sources"]["requests"]["rejected"] == {
        "json": 2,
        "bad_timestamp": 1,
        "too_long": 1,
    }


def test_garbage_of_standard_input_is_noted_by_its_name() -> None:
    result = run("report", "--metrics", "-", stdin=requests(NOW) + b"garbage\n")

    assert result.stderr.startswith("Note: 1 of 2 lines of standard input holds no request (")


def test_garbage_in_files_that_nobody_named_does_not_spoil_the_other_source(folder: Path) -> None:
    write(folder / "metrics/local_1.jsonl", requests(NOW))
    write(folder / "heartbeat/ticks_1.jsonl", b"garbage\n")

    result = run("report")

    assert result.exit_code == 0
    assert result.stderr.startswith(
        "Note: 1 of 1 line of heartbeat/ticks_1.jsonl holds no heartbeat ("
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--heartbeat", "a.jsonl"], "2 of 2 lines of a.jsonl hold no heartbeat (json 2); "),
        (["--metrics", "a.jsonl"], "2 of 2 lines of a.jsonl hold no request (json 2); "),
    ],
)
def test_garbage_alone_in_a_source_that_was_named_is_a_failure(
    folder: Path, arguments: list[str], said: str
) -> None:
    telemetry(folder)
    write(folder / "a.jsonl", b"garbage\n" * 2)

    found = failed(run("report", *arguments))

    assert found.startswith(f"no line could be read as telemetry: {said}")


def test_garbage_in_one_of_several_files_that_were_named_is_noted(folder: Path) -> None:
    write(folder / "a.jsonl", b"garbage\n")
    write(folder / "b.jsonl", requests(NOW))

    result = run("report", "--metrics", "a.jsonl", "--metrics", "b.jsonl")

    assert result.exit_code == 0
    assert result.stderr.startswith("Note: 1 of 1 line of a.jsonl holds no request (")


@pytest.mark.parametrize(
    ("arguments", "gitea", "code"),
    [([], False, 0), (["--exit-code"], False, 1), (["--exit-code"], True, 0)],
)
def test_the_exit_code_tells_of_actions_if_asked_to(
    folder: Path,
    arguments: list[str],
    gitea: bool,  # noqa: FBT001 - a table's column
    code: int,
) -> None:
    write(folder / "heartbeat/ticks_1.jsonl", ticks(NOW, gitea=gitea))

    result = run("report", *arguments)

    assert result.exit_code == code
    assert result.stdout.startswith("# Demand ")


def test_standard_output_holds_only_the_report(folder: Path) -> None:
    write(folder / "a.jsonl", requests(NOW) + b"garbage\n")
    write(folder / "b.jsonl", b"")

    result = run("report", "--metrics", "*.jsonl")

    assert result.stdout.startswith("# Demand has no baseline yet: 1 request in the last 6 h\n")
    assert "Note" not in result.stdout
    assert len(result.stderr.splitlines()) == 2


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, arguments: Iterable[str]) -> str:
    """Return what `report` says on stderr where that is a terminal."""
    reading, writing = pty.openpty()
    with open(writing, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", terminal)
        main(["report", *arguments], standalone_mode=False)
        terminal.write("\nend\n")
    with open(reading, encoding="utf-8") as screen:  # noqa: PTH123
        return "".join(iter(screen.readline, "end\n"))


def test_long_work_shows_a_progress_bar_on_a_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SHOW_PROGRESS_FROM_BYTES, 1)
    telemetry(folder)

    shown = on_a_terminal(monkeypatch, ["--json"])

    assert "Reading telemetry" in shown
    assert "100%" in shown
    assert json.loads(capsys.readouterr().out)["recent_requests"] == 2


def test_short_work_shows_no_progress_bar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry(folder)

    assert on_a_terminal(monkeypatch, []) == "\n"


def test_nothing_but_a_terminal_is_shown_a_progress_bar(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SHOW_PROGRESS_FROM_BYTES, 1)
    telemetry(folder)

    assert run("report").stderr == ""


LINES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([request_line(NOW), tick_line(NOW), b"null", b"{", PACKED, b"\n"]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(LINES, max_size=5), st.sampled_from(["--metrics", "--heartbeat"]))
def test_any_bytes_end_in_a_report_or_a_sentence(pieces: list[bytes], option: str) -> None:
    result = run("report", option, "-", stdin=b"".join(pieces))

    assert result.exit_code in {0, 1, 2}
    assert bool(result.stdout) is (result.exit_code == 0)
    assert bool(result.stderr) or result.exit_code == 0
