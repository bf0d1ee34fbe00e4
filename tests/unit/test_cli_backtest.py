"""`backtest` at the command line: what it reads, what it prints and draws, what it refuses."""

import csv
import gzip
import io
import json
import math
import pty
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from surge_exporter.cli import main
from surge_exporter.core.timestamps import parse_timestamp
from tests.commandline import run, sentence
from tests.fakes import FakeClock
from tests.telemetry import request_line, spread

MODULE = "surge_exporter.commands.backtest"
MONDAY = 1_767_571_200
NOW = "2026-03-30T00:00:00Z"
HOUR = 3600
METHODS = ["forecast", "last_window", "yesterday", "last_week", "ratio_rule"]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Let it be the end of the telemetry."""
    clock = FakeClock(parse_timestamp(NOW))
    monkeypatch.setattr(f"{MODULE}.SystemClock", lambda: clock)
    return clock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(hours: int, start: int = MONDAY) -> bytes:
    """Return half-hourly counts with a rhythm of the day, and a little of the week."""
    lines = [b"bucket_start_epoch,count"]
    for i in range(2 * hours):
        count = 600 + 500 * math.sin(math.pi * i / 24) + i % 7
        lines.append(b"%d,%d" % (start + 1800 * i, count))
    return b"\n".join(lines) + b"\n"


def counts(folder: Path, hours: int = 192) -> str:
    (folder / "counts.csv").write_bytes(rows(hours))
    return "counts.csv"


def printed(*arguments: str, stdin: bytes = b"") -> str:
    """Return what a backtest said that nothing was wrong with."""
    result = run("backtest", *arguments, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def found(*arguments: str, stdin: bytes = b"") -> Any:
    return json.loads(printed("--json", *arguments, stdin=stdin))


def failed(*arguments: str, code: int = 1) -> str:
    result = run("backtest", *arguments)
    assert result.exit_code == code
    return sentence(result)


def test_a_fleet_s_own_logs_are_tested(folder: Path) -> None:
    options = ("--rate", "40", "--start", NOW, "--history", "240", "--duration", "0")
    run("simulate", "--no-wait", "--telemetry-dir", "fleet", *options)

    answer = found("--telemetry-dir", "fleet")

    lines = b"".join(file.read_bytes() for file in folder.glob("fleet/metrics/*"))
    assert 0.99 * lines.count(b"\n") < answer["requests"] <= lines.count(b"\n")
    assert 239 < answer["history_hours"] <= 240
    assert answer["bucket_seconds"] == 300
    assert [horizon["horizon_hours"] for horizon in answer["horizons"]] == [1, 6, 24]
    ours, *others = answer["horizons"][1]["methods"]
    assert ours["method"] == "forecast"
    assert ours["mase"] < max(other["mase"] for other in others)


def test_the_verdict_comes_first_then_a_table_for_each_horizon(folder: Path) -> None:
    text = printed("--counts", counts(folder))

    verdict, _, heading, *_ = text.splitlines()
    assert verdict.startswith("Over 5 days the forecast for the next 6 h was wrong by ")
    assert " times as much as yesterday's demand; its 80 % interval held " in verdict
    assert heading == "## Next 1 h"
    tables = text.split("## ")[1:]
    assert [table.splitlines()[0] for table in tables] == ["Next 1 h", "Next 6 h", "Next 24 h"]
    for table in tables:
        names = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
        assert names[1:] == [f"| {method.replace('_', ' ')}" for method in METHODS]
        assert "**" in table


def test_the_best_of_each_column_is_bold_also_if_several_are(folder: Path) -> None:
    text = printed("--counts", counts(folder))

    lines = [line for line in text.partition("## Next 24 h")[2].splitlines() if "|" in line][2:]
    cells = {line.split(" | ")[0][2:]: line.split(" | ")[1:] for line in lines}
    best = min(float(row[0].strip("*")) for row in cells.values())
    bold = {name for name, row in cells.items() if row[0].startswith("**")}
    assert bold == {name for name, row in cells.items() if float(row[0].strip("*")) == best}
    assert cells["last window"][0].strip("*") == cells["yesterday"][0].strip("*") == "1.00"


def test_json_has_stable_keys(folder: Path) -> None:
    answer = found("--counts", counts(folder))

    assert list(answer) == [
        "verdict",
        "start",
        "history_hours",
        "requests",
        "bucket_seconds",
        "configured_horizon_hours",
        "horizons",
    ]
    assert (answer["start"], answer["history_hours"]) == ("2026-01-05T00:00:00+00:00", 192.0)
    for horizon in answer["horizons"]:
        hours = horizon["horizon_hours"]
        assert list(horizon) == [
            "horizon_hours",
            "origins",
            "first_origin",
            "last_origin",
            "methods",
        ]
        assert horizon["first_origin"] == "2026-01-08T00:00:00+00:00"
        assert horizon["origins"] == 192 - 72 - hours + 1
        assert [method["method"] for method in horizon["methods"]] == METHODS
        for method in horizon["methods"]:
            assert list(method) == [
                "method",
                "origins",
                "mean_absolute_error",
                "mase",
                "pinball",
                "coverage_ratio",
            ]
    assert answer["verdict"] in printed("--counts", "counts.csv")


def test_csv_has_a_row_for_each_hour_and_horizon(folder: Path) -> None:
    table = list(csv.DictReader(io.StringIO(printed("--csv", "--counts", counts(folder)))))

    assert list(table[0]) == [
        *("origin", "horizon_hours", "actual", "point", "low", "high"),
        *METHODS[1:],
    ]
    assert [row["horizon_hours"] for row in table].count("24") == 192 - 72 - 24 + 1
    for row in table:
        assert float(row["low"]) <= float(row["point"]) <= float(row["high"])
        assert (row["last_week"] != "") is (row["origin"] >= "2026-01-12")


def test_csv_says_what_json_sums_up(folder: Path) -> None:
    table = csv.DictReader(io.StringIO(printed("--csv", "--counts", counts(folder))))

    errors = [
        abs(float(row["point"]) - float(row["actual"]))
        for row in table
        if row["horizon_hours"] == "6"
    ]

    ours = found("--counts", "counts.csv")["horizons"][1]["methods"][0]
    assert sum(errors) / len(errors) == pytest.approx(ours["mean_absolute_error"], abs=0.02)


def test_the_horizon_is_tested_beside_an_hour_and_a_day(folder: Path) -> None:
    answer = found("--counts", counts(folder), "--horizon", "12")

    assert [horizon["horizon_hours"] for horizon in answer["horizons"]] == [1, 12, 24]
    assert answer["configured_horizon_hours"] == 12
    assert "for the next 12 h" in answer["verdict"]


@pytest.mark.parametrize(("asked", "tested"), [("0.5", 1), ("24", 24)])
def test_a_part_of_an_hour_is_tested_as_the_whole_that_is_forecast(
    folder: Path, asked: str, tested: int
) -> None:
    answer = found("--counts", counts(folder), "--horizon", asked)

    assert [horizon["horizon_hours"] for horizon in answer["horizons"]] == [1, 24]
    assert answer["configured_horizon_hours"] == tested


def test_counts_may_be_packed_or_come_on_standard_input(folder: Path) -> None:
    plain = found("--counts", counts(folder))
    (folder / "counts.csv.gz").write_bytes(gzip.compress(rows(192)))

    assert found("--counts", "counts.csv.gz") == plain
    assert found("--counts", "-", stdin=rows(192)) == plain


def test_logs_may_come_on_standard_input(clock: FakeClock) -> None:
    times = spread(3000, clock.now() - 130 * HOUR, clock.now())

    answer = found("--metrics", "-", stdin=b"".join(map(request_line, times)))

    assert 2990 < answer["requests"] <= 3000


def test_demand_that_never_changes_gives_nothing_to_compare_with(folder: Path) -> None:
    lines = b"".join(b"%d,5\n" % (MONDAY + 3600 * hour) for hour in range(130))
    (folder / "counts.csv").write_bytes(lines)

    assert printed("--counts", "counts.csv").startswith(
        "Over 2 days the forecast for the next 6 h was wrong by 0.00 requests/h, where"
        " yesterday's demand was never wrong; its 80 % interval held 100 % of what came.\n"
    )
    methods = found("--counts", "counts.csv")["horizons"][0]["methods"]
    assert {method["mase"] for method in methods} == {None}


def test_what_did_better_is_named(folder: Path) -> None:
    """Nobody can know of a day that comes every week, but last week."""
    lines = []
    for hour in range(24 * 24):
        count = 5000 if hour // 24 % 7 == 3 and hour % 24 in {9, 10, 11} else 100 + hour % 2
        lines.append(b"%d,%d\n" % (MONDAY + HOUR * hour, count))
    (folder / "counts.csv").write_bytes(b"".join(lines))

    assert ", and last week did better, with 0." in found("--counts", "counts.csv")["verdict"]


def test_missing_rows_are_noted(folder: Path) -> None:
    data = rows(192).splitlines(keepends=True)
    (folder / "counts.csv").write_bytes(b"".join(data[:200] + data[201:]))

    result = run("backtest", "--counts", "counts.csv")

    assert result.exit_code == 0
    assert result.stderr == (
        "Note: counts.csv has no row for 1 bucket: without one, the count is 0.\n"
    )


def test_what_precedes_four_weeks_of_silence_is_noted(folder: Path) -> None:
    (folder / "counts.csv").write_bytes(b"%d,7\n" % (MONDAY - 30 * 24 * HOUR) + rows(192)[25:])

    result = run("backtest", "--counts", "counts.csv", "--json")

    assert json.loads(result.stdout)["history_hours"] == 192
    assert result.stderr == (
        "Note: what is from before 2026-01-05T00:00+00:00 is left out:"
        " four weeks of silence follow it.\n"
    )


def test_requests_of_the_future_and_garbage_are_noted(folder: Path, clock: FakeClock) -> None:
    times = [*spread(3000, clock.now() - 130 * HOUR, clock.now()), clock.now() + HOUR]
    lines = b"".join(map(request_line, times)) + b"garbage\n"
    (folder / "a.jsonl").write_bytes(lines)

    result = run("backtest", "--metrics", "a.jsonl")

    assert result.exit_code == 0
    assert result.stderr.startswith("Note: 1 of 3002 lines of a.jsonl holds no request (json 1)")
    assert result.stderr.endswith(
        "Note: 1 request of the future, by this machine's clock, left out.\n"
    )


def test_a_history_that_is_too_short_is_refused(folder: Path, clock: FakeClock) -> None:
    for hours, said in [(119, "119.0"), (2, "2.0")]:
        assert failed("--counts", counts(folder, hours)) == (
            f"expected at least 120 h of telemetry to test forecasts for 24 h, got {said} h"
        )
    longer = failed("--counts", counts(folder, 120), "--horizon", "48")
    assert longer.startswith("expected at least 168 h of telemetry to test forecasts for 48 h")
    (folder / "a.jsonl").write_bytes(request_line(clock.now()))
    assert failed("--metrics", "a.jsonl").endswith("got 0.0 h")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "counts.csv: expected rows of at least two buckets, got 0"),
        (b"1767571200;5\n", "counts.csv: line 1: expected bucket_start_epoch,count, got '1767"),
        (rows(1) + b"later,5\n", "counts.csv: line 4: expected ISO 8601 or epoch seconds, got "),
        (b"x" * 1_100_000 + b"\n", "counts.csv: expected lines of at most 1048576 bytes"),
        (gzip.compress(rows(192))[:300], "counts.csv: broken gzip data: it ends in the middle"),
    ],
    ids=["empty", "semicolon", "no_time", "long", "cut"],
)
def test_a_file_without_counts_is_a_failure(folder: Path, data: bytes, said: str) -> None:
    (folder / "counts.csv").write_bytes(data)

    assert failed("--counts", "counts.csv").startswith(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no telemetry: expected files like metrics/local_*.jsonl; name them with --metrics"),
        (["--metrics", "no.jsonl"], "no such file: no.jsonl"),
        (["--counts", "no.csv"], "no such file: no.csv"),
        (["--counts", "no*.csv"], "expected one file for --counts, got 0 that match no*.csv"),
        (["--counts", "."], "expected a file, got the directory ."),
        (["--counts", "a", "--metrics", "b"], "expected --metrics or --counts, got both"),
        (["--json", "--csv"], "expected --json or --csv, got both"),
        (["--plot", "a.pdf"], "expected a file that ends in .svg or .png for --plot, got a.pdf"),
        (["--plot", "svg"], "expected a file that ends in .svg or .png for --plot, got svg"),
        (["--config.file", "no.yml"], "no.yml: cannot be read: No such file or directory"),
    ],
)
def test_wrong_usage_gets_a_sentence(arguments: list[str], said: str) -> None:
    assert failed(*arguments, code=2).startswith(said)


def test_garbage_alone_is_a_failure(folder: Path) -> None:
    (folder / "a.jsonl").write_bytes(b"garbage\n")

    assert failed("--metrics", "a.jsonl").startswith("no line could be read as telemetry: ")


def test_a_plot_is_drawn_as_svg_with_text_as_text(folder: Path) -> None:
    printed("--counts", counts(folder), "--plot", "plot.svg")

    root = ET.parse(folder / "plot.svg").getroot()  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [
        "".join(element.itertext()).strip() for element in root.iter() if "text" in element.tag
    ]
    assert {
        *("80 % interval", "actual", "forecast", "yesterday", "last window"),
        "Demand over the next 6 h, by when it was forecast",
        "Error over the next 6 h, by hour of day (UTC)",
    } <= set(texts)


def test_a_plot_is_drawn_as_png(folder: Path) -> None:
    printed("--counts", counts(folder), "--plot", "plot.PNG")

    data = (folder / "plot.PNG").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(data[at : at + 4]) for at in (16, 20)] == [1200, 864]
    assert len(data) > 20_000


@pytest.mark.parametrize("name", ["plot.svg", "plot.png"])
def test_the_same_telemetry_gives_the_same_picture(folder: Path, name: str) -> None:
    pictures = []
    for _ in range(2):
        printed("--counts", counts(folder), "--plot", name)
        pictures.append((folder / name).read_bytes())

    assert pictures[0] == pictures[1]


def test_a_plot_goes_by_the_configured_time_zone(folder: Path) -> None:
    (folder / "surge.yml").write_text("telemetry: {timezone: Europe/Berlin}", encoding="utf-8")

    printed("--counts", counts(folder), "--plot", "plot.svg", "--config.file", "surge.yml")

    assert "by hour of day (Europe/Berlin)" in (folder / "plot.svg").read_text(encoding="utf-8")


def test_a_plot_that_cannot_be_written_is_a_failure(folder: Path) -> None:
    said = failed("--counts", counts(folder), "--plot", "no/plot.svg")

    assert said == "no/plot.svg: cannot be written: No such file or directory"


def test_without_matplotlib_a_plot_is_refused_and_all_else_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    said = failed("--counts", counts(folder), "--plot", "plot.svg", code=2)

    assert said == "expected matplotlib for --plot: pip install 'surge-exporter[plot]'"
    assert not (folder / "plot.svg").exists()
    assert found("--counts", "counts.csv")["horizons"]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Return what `backtest` says on stderr where that is a terminal."""
    reading, writing = pty.openpty()
    with open(writing, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", terminal)
        main(["backtest", *arguments], standalone_mode=False)
        terminal.write("\nend\n")
    with open(reading, encoding="utf-8") as screen:  # noqa: PTH123
        return "".join(iter(screen.readline, "end\n"))


def test_long_work_shows_a_progress_bar_on_a_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}._SHOW_PROGRESS_FROM_ORIGINS", 1)

    shown = on_a_terminal(monkeypatch, "--counts", counts(folder))

    assert "Forecasting" in shown
    assert "100%" in shown


def test_short_work_shows_no_progress_bar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_a_terminal(monkeypatch, "--counts", counts(folder)) == "\n"
