"""What Prometheus' own rule engine makes of samples: all that fires, whatever was expected.

`promtool test rules` evaluates rules as a running Prometheus does, without the waiting. It prints
what it found where that is not what was expected: so nothing is expected, and all is printed.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby, pairwise
from pathlib import Path

from tests.durations import seconds
from tests.servers import installed

Labels = Mapping[str, str]
Series = tuple[str, frozenset[tuple[str, str]]]
"""A name, and labels."""
History = Mapping[Series, Sequence[float | None]]
"""The samples of a series, one a minute; None where there was none."""

_EXPRESSION = "ALERTS{alertstate='firing'}"
_FOUND = re.compile(r"time: (?P<time>\w+),\s+exp: nil\s+got: (?P<alerts>.*)")
_LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


def firing(folder: Path, rules: str, history: History) -> list[list[Labels]]:
    """Return the labels of the alerts that fire at each minute of the history."""
    program = installed("promtool")
    minutes = len(next(iter(history.values())))
    (folder / "rules.yml").write_text(rules)
    (folder / "test.yml").write_text(json.dumps(_asking(history, minutes)))  # which is YAML, too
    done = subprocess.run(
        [program, "test", "rules", "test.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found: list[list[Labels]] = [[] for _ in range(minutes)]
    for match in _FOUND.finditer(done.stderr):
        found[int(seconds(match["time"]) // 60)] = list(_alerts(match["alerts"]))
    # Each answer is read, and nothing else was said: of a rule that can't be evaluated, say.
    assert done.stderr.count("got:") == sum(map(bool, found)), done.stderr[-2000:]
    assert done.stderr.split("\n", 1)[0].strip() == "FAILED:", done.stderr[:2000]
    return found


def _asking(history: History, minutes: int) -> Mapping[str, object]:
    case = {
        "interval": "1m",
        "input_series": [
            {"series": _selector(series), "values": " ".join(_runs(values))}
            for series, values in history.items()
        ],
        "promql_expr_test": [
            {"expr": _EXPRESSION, "eval_time": f"{minute}m"} for minute in range(minutes)
        ],
    }
    return {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}


def _selector(series: Series) -> str:
    name, labels = series
    return f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in labels)}}}"


def _runs(values: Sequence[float | None]) -> Iterator[str]:
    """Yield values as promtool reads them: `1x3` is a 1 and three more.

    A series that ends is stale at once, as where a scrape lacks it, not five minutes later.
    """
    texts = ("_" if value is None else repr(float(value)) for value in values)
    marked = (
        "stale" if text == "_" and before not in {"_", ""} else text
        for before, text in pairwise(chain([""], texts))
    )
    for text, run in groupby(marked):
        count = sum(1 for _ in run)
        if text == "stale":
            yield text
        elif text == "_":
            yield f"_x{count}"
        else:
            yield f"{text}x{count - 1}"


def _alerts(text: str) -> Iterator[Labels]:
    for labels in text.split("} 1E+00"):
        if labels.strip():
            yield {label: json.loads(value) for label, value in _LABEL.findall(labels)}
