"""What a runbook says of its alert is what the rule says, around what a person wrote."""

from dataclasses import replace

import pytest

from surge_exporter.model import Seconds
from surge_exporter.render.runbooks import (
    BANNER,
    INDEX,
    SECTIONS,
    RunbookError,
    index,
    runbook,
    runbook_files,
    runbook_pages,
)
from surge_exporter.rules.choices import Choices
from surge_exporter.rules.rule import Alert, AlertSeverity, Board, Notify
from surge_exporter.signals import SIGNALS

PROSE = "\n\n".join(f"## {section}\n\nOne thing. Another thing." for section in SECTIONS) + "\n"
FAILURES = Alert(
    name="SurgeCallerFailures",
    severity=AlertSeverity.WARNING,
    notify=Notify.PAGE,
    action="investigate_failure_rates",
    expr="job:surge_caller_failure:ratio\n  >= on (job) group_left x\n",
    for_seconds=Seconds(300.0),
    keep_firing_seconds=Seconds(900.0),
    summary="A caller's requests fail.",
    description="{{ $labels.caller }} fails with {{ $value | humanizePercentage }}.",
    recommended_action="Look at what {{ $labels.caller }} logged.",
    board=Board.CALLERS,
)
SKEW = Alert(
    name="SurgeClockSkew",
    severity=AlertSeverity.WARNING,
    notify=Notify.TICKET,
    action="restore_telemetry",
    expr="time() > 1",
    summary="Records come from the future.",
    description="By {{ $value }} s.",
    recommended_action="Compare the clocks.",
    board=Board.EXPORTER,
)
CRITICAL = replace(
    FAILURES,
    severity=AlertSeverity.CRITICAL,
    expr="job:surge_caller_failure:ratio > 0.9",
    for_seconds=Seconds(30.0),
    recommended_action="Stop the caller.",
)


def page(*rules: Alert, choices: Choices | None = None, muted_by: tuple[str, ...] = ()) -> str:
    """Return the runbook of some rules of one name."""
    return runbook(rules, PROSE, choices or Choices(), muted_by=muted_by)


def test_a_runbook_has_the_prose_as_it_was_written() -> None:
    assert PROSE.strip() in page(FAILURES)


def test_what_to_do_first_stands_before_the_prose() -> None:
    text = page(FAILURES)

    assert "**Do first:** Look at what `caller` logged." in text
    assert text.index("Do first") < text.index("## Meaning")


def test_each_severity_says_what_to_do_first_where_they_differ() -> None:
    text = page(FAILURES, CRITICAL)

    assert "**Do first (warning):** Look at what `caller` logged." in text
    assert "**Do first (critical):** Stop the caller." in text


def test_a_runbook_says_how_loud_and_how_patient_each_severity_is() -> None:
    text = page(FAILURES, CRITICAL)

    assert "| warning | page: somebody looks now | 5 min | 15 min |" in text
    assert "| critical | page: somebody looks now | 30 s | 15 min |" in text
    assert "| warning | ticket: on the next working day | at once | no longer |" in page(SKEW)


def test_a_runbook_shows_the_expression_of_each_severity() -> None:
    text = page(FAILURES, CRITICAL)

    assert "For `warning`:\n\n```promql\njob:surge_caller_failure:ratio\n  >= on (job)" in text
    assert "For `critical`:\n\n```promql\njob:surge_caller_failure:ratio > 0.9\n```" in text
    assert "For `warning`" not in page(FAILURES)


def test_a_runbook_links_to_the_dashboard_that_was_chosen() -> None:
    text = page(FAILURES, choices=Choices(dashboard_url="https://grafana/d/{dashboard}?a=1"))

    assert "[surge-callers](https://grafana/d/surge-callers?a=1)" in text


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_a_runbook_says_of_every_number_of_its_signal_how_to_change_it(signal: object) -> None:
    row = next(row for row in SIGNALS if row is signal)
    name = "Surge" + "".join(word.title() for word in row.name.split("_"))
    numbers = {str(severity): value for severity, value in row.thresholds.items()}

    text = page(replace(FAILURES, name=name))

    for key, value in {**numbers, **row.parameters}.items():
        assert f"`signals: {{{row.name}: {{{key}: {value:g}}}}}`" in text
    assert f'surge_signal_threshold{{signal="{row.name}"}}' in text
    assert f"--threshold {name}=NUMBER" in text


def test_an_alert_without_a_signal_is_changed_in_the_rules() -> None:
    text = page(SKEW)

    assert "signals:" not in text
    assert "--disable SurgeClockSkew" in text


def test_a_runbook_says_what_keeps_its_alert_from_being_sent() -> None:
    assert "[SurgeExporterAbsent](SurgeExporterAbsent.md)" in page(
        FAILURES, muted_by=("SurgeExporterAbsent",)
    )
    assert "Not sent while" not in page(FAILURES)


def test_the_index_lists_each_alert_once_with_its_severities() -> None:
    text = index([FAILURES, SKEW, CRITICAL])

    assert text.count("(SurgeCallerFailures.md)") == 1
    assert "| warning (page), critical (page) |" in text
    assert "| Look at what `caller` logged. Stop the caller. |" in text


def test_files_are_generated_and_say_so() -> None:
    files = runbook_files(Choices(), [SKEW], {"SurgeClockSkew": PROSE})

    assert set(files) == {"README.md", "SurgeClockSkew.md"}
    assert all(text.startswith(BANNER) for text in files.values())


def test_pages_are_the_files_without_their_banner() -> None:
    files = runbook_files(Choices(), [SKEW], {"SurgeClockSkew": PROSE})
    pages = runbook_pages(Choices(), [SKEW], {"SurgeClockSkew": PROSE})

    assert set(pages) == {INDEX, "SurgeClockSkew"}
    assert files["SurgeClockSkew.md"].endswith(pages["SurgeClockSkew"])
    assert BANNER not in pages["SurgeClockSkew"]


def test_a_runbook_links_to_the_others_that_its_prose_names() -> None:
    prose = PROSE.replace("One thing.", "See `SurgeClockSkew`, `SurgeCallerFailures`, `SurgeOff`.")

    pages = runbook_pages(
        Choices(), [FAILURES, SKEW], {"SurgeCallerFailures": prose, "SurgeClockSkew": PROSE}
    )

    linked = "See [SurgeClockSkew](SurgeClockSkew.md), `SurgeCallerFailures`, `SurgeOff`."
    assert linked in pages["SurgeCallerFailures"]


def test_what_was_left_out_silences_nothing_and_is_not_linked_to() -> None:
    pages = runbook_pages(
        Choices(),
        [FAILURES, SKEW],
        {"SurgeCallerFailures": PROSE, "SurgeClockSkew": PROSE},
        muted_by={"SurgeCallerFailures": ("SurgeOff", "SurgeClockSkew")},
    )

    assert "same fleet: [SurgeClockSkew](SurgeClockSkew.md)." in pages["SurgeCallerFailures"]
    assert "SurgeOff" not in pages["SurgeCallerFailures"]


def test_an_alert_without_prose_is_refused() -> None:
    with pytest.raises(RunbookError, match="found none for SurgeClockSkew"):
        runbook_files(Choices(), [FAILURES, SKEW], {"SurgeCallerFailures": PROSE})


def test_prose_without_an_alert_is_refused() -> None:
    with pytest.raises(RunbookError, match="found some for SurgeClockSkew"):
        runbook_files(
            Choices(), [FAILURES], {"SurgeCallerFailures": PROSE, "SurgeClockSkew": PROSE}
        )


@pytest.mark.parametrize("key", ["SurgeClockSkew", "SurgeClockSkew.warning"])
def test_an_alert_that_was_left_out_needs_no_runbook(key: str) -> None:
    prose = {"SurgeCallerFailures": PROSE, "SurgeClockSkew": PROSE}

    files = runbook_files(Choices(disabled=frozenset({key})), [FAILURES], prose)

    assert "SurgeClockSkew.md" not in files


@pytest.mark.parametrize(
    ("prose", "came"),
    [
        (PROSE.replace("## Impact\n", ""), "Meaning, Diagnosis, Mitigation"),
        (f"{PROSE}\n## More\n", "Meaning, Impact, Diagnosis, Mitigation, More"),
        (f"Some words.\n\n{PROSE}", "Meaning, Impact, Diagnosis, Mitigation"),
        (f"# Title\n\n{PROSE}", "Title, Meaning, Impact, Diagnosis, Mitigation"),
        ("## Impact\n\nA.\n\n## Meaning\n\nB.\n", "Impact, Meaning"),
        ("", "none"),
    ],
)
def test_prose_with_other_sections_is_refused(prose: str, came: str) -> None:
    with pytest.raises(RunbookError, match=f"^SurgeClockSkew: expected .*, got {came}$"):
        runbook_pages(Choices(), [SKEW], {"SurgeClockSkew": prose})


def test_a_comment_in_a_command_is_no_section() -> None:
    prose = f"{PROSE}\n```sh\n# look here\n## and here\nls\n```\n"

    assert "# look here" in runbook([SKEW], prose, Choices())
