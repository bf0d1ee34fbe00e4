"""A real Alertmanager with the committed fragment: who is told what, and in which words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from surge_exporter.rules.routing import Receiver
from tests.fragment import fragment
from tests.known_alerts import BY_KEY
from tests.servers import Alertmanager, alertmanager, wait_for
from tests.webhook import Notification, Webhook, webhook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


ALERTING = Path(__file__).parents[2] / "exporter" / "docs" / "alerting.md"


class Words(NamedTuple):
    """What a receiver that writes text was sent."""

    title: str
    text: list[str]


class Telling:
    """Hands alerts to an Alertmanager, and hears whom it tells of those of one job."""

    def __init__(self, server: Alertmanager, hook: Webhook, job: str) -> None:
        self._server, self._hook, self.job = server, hook, job

    def fire(self, *keys: str, over: bool = False, **subject: str) -> None:
        """Say that these alerts fire, or that they are over."""
        self._post([BY_KEY[key].labels(job=self.job, **subject) for key in keys], over=over)

    def fire_for_each(self, key: str, label: str, values: Sequence[str]) -> None:
        """Say at once that one alert fires of many subjects."""
        known = BY_KEY[key]
        self._post([known.labels(job=self.job, **{label: value}) for value in values])

    def _post(self, alerts: Sequence[Mapping[str, str]], *, over: bool = False) -> None:
        ends = {"endsAt": datetime.now(UTC).isoformat()} if over else {}  # noqa: TID251 - real time
        notes = {"recommended_action": "Do this", "summary": "It is so."}
        self._server.post([{"labels": labels, "annotations": notes, **ends} for labels in alerts])

    def hear(self, receiver: Receiver, status: str, *names: str) -> Notification:
        """Wait until the receiver is told that these fire, or are over; or any, if unnamed."""
        return self._hook.wait(
            f"/{receiver}",
            lambda told: (
                told.has(job=self.job)
                and told.status == status
                and (not names or sorted(told.names) == sorted(names))
            ),
            f"{status} {', '.join(names)}",
        )

    def heard(self, receiver: Receiver | None = None) -> list[tuple[str, str, list[str]]]:
        """Return who was told what so far, of this job, in order; all, or one receiver."""
        return [
            (told.path.lstrip("/"), told.status, sorted(told.names))
            for told in self._hook.received(receiver and f"/{receiver}")
            if told.has(job=self.job)
        ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Alertmanager, Webhook]]:
    """An Alertmanager and who is told by it."""
    folder = tmp_path_factory.mktemp("telling") / "alertmanager"
    with webhook() as hook, alertmanager(folder, fragment(hook.url), "surge.yml") as server:
        yield server, hook


@pytest.fixture
def telling(served: tuple[Alertmanager, Webhook], request: pytest.FixtureRequest) -> Telling:
    return Telling(*served, job=request.node.name)


def test_a_page_comes_with_what_to_do_and_automation_hears_of_it_and_of_its_end(
    telling: Telling,
) -> None:
    telling.fire("SurgeDemandSurge.critical")

    page = telling.hear(Receiver.PAGER, "firing", "SurgeDemandSurge")
    assert page.payload["commonAnnotations"]["recommended_action"] == "Do this"
    order = telling.hear(Receiver.AUTOMATION, "firing", "SurgeDemandSurge")
    for told in (page, order):
        assert told.payload["groupLabels"] == {
            "job": telling.job,
            "action": "prewarm_local_inference",
        }

    telling.fire("SurgeDemandSurge.critical", over=True)

    telling.hear(Receiver.PAGER, "resolved", "SurgeDemandSurge")
    telling.hear(Receiver.AUTOMATION, "resolved", "SurgeDemandSurge")


def test_two_callers_that_fail_are_one_page(telling: Telling) -> None:
    telling.fire_for_each("SurgeCallerFailures.warning", "caller", ["a", "b"])

    page = telling.hear(Receiver.PAGER, "firing", "SurgeCallerFailures", "SurgeCallerFailures")
    assert {alert["labels"]["caller"] for alert in page.alerts} == {"a", "b"}
    assert telling.heard() == [(Receiver.PAGER, "firing", page.names)]


def test_a_ticket_pages_nobody_and_info_is_for_nobody(telling: Telling) -> None:
    telling.fire("SurgeLabelOverflow.info", "SurgeModelTierMismatch.info")
    telling.fire("SurgeHeavyBatch.warning")

    telling.hear(Receiver.TICKETS, "firing", "SurgeHeavyBatch")
    telling.hear(Receiver.AUTOMATION, "firing", "SurgeHeavyBatch")
    assert sorted(telling.heard()) == [
        (Receiver.AUTOMATION, "firing", ["SurgeHeavyBatch"]),
        (Receiver.TICKETS, "firing", ["SurgeHeavyBatch"]),
    ]


def test_a_consequence_is_told_of_when_it_outlasts_its_cause(telling: Telling) -> None:
    telling.fire("SurgeInferenceDown.critical", "SurgeInferenceFailures.warning")

    telling.hear(Receiver.PAGER, "firing", "SurgeInferenceDown")
    assert telling.heard() == [(Receiver.PAGER, "firing", ["SurgeInferenceDown"])]

    telling.fire("SurgeInferenceDown.critical", over=True)

    telling.hear(Receiver.PAGER, "resolved", "SurgeInferenceDown")
    telling.hear(Receiver.TICKETS, "firing", "SurgeInferenceFailures")


def test_a_page_that_got_worse_is_over_with_what_is_worse(telling: Telling) -> None:
    telling.fire("SurgeDemandSurge.warning")
    telling.hear(Receiver.PAGER, "firing", "SurgeDemandSurge")

    telling.fire("SurgeDemandSurge.critical")
    wait_for(lambda: len(telling.heard(Receiver.PAGER)) > 1, "the page to say that it is critical")
    telling.fire("SurgeDemandSurge.critical", "SurgeDemandSurge.warning", over=True)
    telling.hear(Receiver.PAGER, "resolved")

    assert [status for _, status, _ in telling.heard(Receiver.PAGER)] == [
        "firing",
        "firing",
        "resolved",
    ]


def test_automation_hears_of_the_end_also_if_another_alert_took_over(telling: Telling) -> None:
    telling.fire("SurgePredictedDemand.warning")
    telling.hear(Receiver.AUTOMATION, "firing", "SurgePredictedDemand")

    telling.fire("SurgeDemandSurge.warning")
    telling.hear(Receiver.AUTOMATION, "firing", "SurgeDemandSurge")

    telling.fire("SurgePredictedDemand.warning", over=True)
    telling.fire("SurgeDemandSurge.warning", over=True)
    telling.hear(Receiver.AUTOMATION, "resolved")

    assert [status for _, status, _ in telling.heard(Receiver.AUTOMATION)] == [
        "firing",
        "firing",
        "resolved",
    ]


def _said_in_words(folder: Path, files: Mapping[str, str], config: str, hook: Webhook) -> Words:
    """Return what the pager is told in words of an alert, by an Alertmanager on these files."""
    known = BY_KEY["SurgeGiteaDown.critical"]
    notes = {
        "recommended_action": "Cache forge state",
        "summary": "The forge is down.",
        "description": "Gitea fails since 12:00.",
    }
    with alertmanager(folder, files, config) as server:
        server.post([{"labels": known.labels(job="a"), "annotations": notes}])
        (words,) = hook.wait("/words", lambda _: True).payload["attachments"]
    return Words(words["title"], words["text"].splitlines())


SAID = Words(
    "Cache forge state",
    [
        "Cache forge state",
        "SurgeGiteaDown: The forge is down.",
        "- critical: Gitea fails since 12:00.",
    ],
)


def test_a_page_in_words_begins_with_what_to_do(tmp_path: Path) -> None:
    with webhook() as hook:
        files = in_words(hook)

        assert _said_in_words(tmp_path / "alertmanager", files, "surge.yml", hook) == SAID


def test_so_it_does_when_the_fragment_is_merged_into_a_configuration_above_it(
    tmp_path: Path,
) -> None:
    with webhook() as hook:
        files = in_words(hook)
        ours = yaml.safe_load(files["surge.yml"])
        (merged_templates,) = _MERGED.findall(files["surge.yml"])
        theirs = {
            "global": {"resolve_timeout": "5m"},
            "templates": ["templates/*.tmpl", *yaml.safe_load(merged_templates)],
            "route": {"receiver": "theirs", "routes": ours["route"]["routes"]},
            "receivers": [{"name": "theirs"}, *ours["receivers"]],
            "inhibit_rules": ours["inhibit_rules"],
        }
        laid_out = {
            "alertmanager.yml": yaml.safe_dump(theirs),
            **{f"surge/{name}": text for name, text in files.items()},
        }

        assert _said_in_words(tmp_path / "etc", laid_out, "alertmanager.yml", hook) == SAID


def test_the_docs_say_the_same_path_of_a_merged_template() -> None:
    (said,) = _MERGED.findall(fragment()["surge.yml"])

    assert f"templates: {said}" in ALERTING.read_text()


_PAGER = "  - name: surge-pager\n"
_IN_WORDS = """\
    slack_configs:
      - api_url: {url}
        channel: "#oncall"
        title: '{{{{ template "surge.title" . }}}}'
        text: '{{{{ template "surge.text" . }}}}'
"""

_MERGED = re.compile(r"^# +templates: (.*)$", re.MULTILINE)
"""What the fragment's comments say to write where it is merged."""


def in_words(hook: Webhook) -> dict[str, str]:
    """Return the fragment with a pager that writes to the hook in the template's words, too."""
    files = fragment(hook.url)
    assert files["surge.yml"].count(_PAGER) == 1
    words = _PAGER + _IN_WORDS.format(url=f"{hook.url}/words")
    return {**files, "surge.yml": files["surge.yml"].replace(_PAGER, words)}
