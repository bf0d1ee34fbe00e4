import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest

from surge_exporter.model import (
    Dependency,
    Observation,
    RejectReason,
    Severity,
    Source,
    TokenVolume,
    UnixSeconds,
)
from surge_exporter.scaling.decisions import Kind
from surge_exporter.signals import SIGNALS, Signal, default_tuning
from surge_exporter.snapshot import ModelReport, Snapshot
from surge_exporter.web.status import render_status
from surge_exporter.web.style import STYLE
from tests import snapshots
from tests.snapshots import NOW, snapshot

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x00\ud800\u202e&amp;'
VOID = {"br", "link", "meta"}
READABLE = 4.5  # the contrast that WCAG 2 asks of text at level AA


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its text, how its tags nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.mistakes: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.mistakes += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and where rows and cells begin."""
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open element is the one that ends."""
        if not self._open or self._open.pop() != tag:
            self.mistakes.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        """Collect text, that of cells also by cell."""
        if "style" in self._open:
            return
        self.text += data
        if "th" in self._open or "td" in self._open:
            self.rows[-1][-1] += data.replace("\xa0", " ")

    def values(self, attribute: str) -> list[str | None]:
        """Return the attribute's values all over the page."""
        return [value for name, value in self.attributes if name == attribute]

    def row(self, heading: str) -> list[str]:
        """Return the cells of the one table row with this heading, after the heading."""
        (cells,) = (rest for first, *rest in self.rows if first.strip() == heading)
        return cells


def page(**overrides: object) -> Page:
    return Page(render_status(snapshot(**overrides)))


def observed(**overrides: object) -> Page:
    return page(observation=snapshots.observation(**overrides))


def stale() -> Observation:
    return snapshots.observation(
        stale=True, last_record={Source.REQUESTS: UnixSeconds(NOW - 1_320)}
    )


def silent() -> Observation:
    return snapshots.observation(last_record={}, history_start=None, callers=())


def young() -> Observation:
    return snapshots.observation(
        demand=snapshots.demand(
            surge_factor=None,
            baseline_valid=False,
            baseline=snapshots.window(0, 0.0),
            surge_test=None,
        ),
        history_start=UnixSeconds(NOW - 3_600),
    )


SITUATIONS = {
    "surge": snapshot(),
    "loading": snapshot(observation=None),
    "stale": snapshot(observation=stale()),
    "silent": snapshot(observation=silent()),
    "young": snapshot(observation=young()),
    "blind": snapshot(host=None),
    "undecided": snapshot(
        observation=None, host=snapshots.host(decision=None, changes=(), trends={})
    ),
    "hostile": snapshot(
        host=snapshots.host(
            decision=snapshots.decision(Kind.HOLD, at=0, reason=HOSTILE),
            tiers=(HOSTILE,),
            models=snapshots.models(loaded=(HOSTILE,), switching_to=HOSTILE),
        ),
        observation=snapshots.observation(callers=(snapshots.caller(HOSTILE, failures=9),)),
        exporter=snapshots.exporter(newest_rejected=(snapshots.rejection(HOSTILE),)),
    ),
}
situations = pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())


@situations
def test_page_is_well_formed(situation: Snapshot) -> None:
    parsed = Page(render_status(situation))

    assert parsed.mistakes == []
    assert parsed.tags.count("h1") == 1


@situations
def test_ids_are_unique_and_labels_point_at_them(situation: Snapshot) -> None:
    parsed = Page(render_status(situation))

    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    assert set(parsed.values("aria-labelledby")) <= set(ids)


@situations
def test_page_lives_under_a_policy_without_scripts_and_style_attributes(
    situation: Snapshot,
) -> None:
    parsed = Page(render_status(situation))

    names = {name for name, _ in parsed.attributes}
    assert "script" not in parsed.tags
    assert "style" not in names
    assert not any(name.startswith("on") for name in names)


@situations
def test_page_asks_for_nothing_from_elsewhere(situation: Snapshot) -> None:
    parsed = Page(render_status(situation))

    links = [str(value) for value in parsed.values("href")]
    assert parsed.values("src") == []
    assert all(link.startswith(("/", "data:")) for link in links)
    assert "url(" not in STYLE
    assert "@import" not in STYLE


@situations
def test_page_can_be_encoded(situation: Snapshot) -> None:
    assert render_status(situation).encode()


def test_hostile_caller_and_excerpt_are_shown_as_text() -> None:
    hostile, harmless = Page(render_status(SITUATIONS["hostile"])), page()

    assert set(hostile.tags) <= {*harmless.tags}
    assert hostile.text.count("<script>alert(1)</script><img src=x onerror=alert(2)>") >= 2


def test_literal_entities_in_telemetry_stay_literal() -> None:
    assert "a&lt;b" in observed(callers=(snapshots.caller("a&lt;b"),)).text


def test_control_surrogate_and_reordering_characters_become_visible() -> None:
    html = render_status(SITUATIONS["hostile"])

    assert "\ufffd\ufffd\ufffd&amp;amp;" in html
    assert not {"\x00", "\ud800", "\u202e"} & set(html)


def test_the_host_says_what_it_uses_and_what_to_serve_with() -> None:
    found = page()

    assert found.row("CPU") == ["", "34%", "16 CPUs", "–"]
    assert found.row("Memory") == ["", "72%", "34.4 GB", "+7%"]
    assert found.row("GPU 0 memory")[1] == "38%"
    assert found.row("GPU 0 busy")[1] == "81%"
    assert "A high-end machine. Recommended: medium: upgrades wait 240 s more." in found.text
    assert found.row("downgrade") == [
        "large → medium",
        "59 s ago",
        "memory is 91 % used, at least 90 %",
    ]


def test_a_host_that_can_serve_nothing_says_so() -> None:
    nothing = replace(
        snapshots.decision(Kind.DOWNGRADE, at=0, reason="small needs 2.2 GiB"), recommended=None
    )
    found = page(host=snapshots.host(decision=nothing))

    assert "No tier fits, while medium is in use: small needs 2.2 GiB." in found.text


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"is_up": False}, "The model server does not answer."),
        ({"loaded": ("medium", "small")}, "Loaded: medium, small."),
        ({"loaded": ()}, "Loaded: none of its models."),
        ({"switching_to": "small"}, "Loaded: medium. small is being loaded."),
        ({"loaded": None, "switching_to": "small"}, "small is being loaded."),
    ],
)
def test_the_model_server_says_what_it_has_or_is_said_to_be_silent(
    known: dict[str, Any], said: str
) -> None:
    found = page(host=snapshots.host(models=snapshots.models(**known)))

    assert said in found.text
    assert ("Loaded" in found.text) is ("Loaded" in said)


@pytest.mark.parametrize("models", [None, snapshots.models(is_up=None, loaded=None)])
def test_of_a_model_server_that_nobody_knows_nothing_is_said(models: ModelReport | None) -> None:
    text = page(host=snapshots.host(models=models)).text

    assert "model server" not in text
    assert "oaded" not in text.partition("Resources")[0]


def test_a_host_is_shown_before_there_is_telemetry_and_not_where_none_is_watched() -> None:
    assert page(observation=None).row("CPU")
    assert observed(last_record={}).row("CPU")
    assert "Host" not in page(host=None).text


def test_reading_order_is_verdict_actions_numbers_reasons() -> None:
    text = page().text

    landmarks = ("Demand is elevated", "1.56×", "What to do", "Failing checks", "Token share")
    places = [text.index(landmark) for landmark in landmarks]
    assert places == sorted(places)


def test_resource_mode_and_dispatch_posture_are_named() -> None:
    text = page().text

    assert "Resource mode surge" in text
    assert "Dispatch posture degraded" in text


def test_every_recommended_action_is_shown_with_its_evidence() -> None:
    situation = snapshot()
    assert situation.verdict is not None
    recommendations = situation.verdict.recommendations

    text = Page(render_status(situation)).text

    assert len(recommendations) > 3
    assert all(recommendation.text in text for recommendation in recommendations)


def test_calm_says_to_maintain_and_raises_nothing() -> None:
    calm = snapshots.observation(
        demand=snapshots.demand(surge_factor=0.98),
        callers=(snapshots.caller("heartbeat_tick"),),
        dependencies=tuple(snapshots.health(dependency) for dependency in Dependency),
    )

    html = render_status(snapshot(observation=calm))

    assert "Demand is low" in html
    assert "Maintain current allocation" in html
    assert 'class="verdict ok"' in html
    assert not re.search(r'class="[^"]*\b(warn|crit)\b', html.partition("<h2")[2])


def test_critical_demand_is_red_and_says_critical() -> None:
    html = render_status(
        snapshot(
            observation=snapshots.observation(demand=snapshots.demand(surge_factor=4.3)),
        )
    )

    assert "Demand is critical" in html
    assert 'class="verdict crit"' in html


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_every_signal_has_a_row_that_says_whether_it_is_active(signal: Signal) -> None:
    situation = snapshot()
    assert situation.verdict is not None
    active = {finding.signal for finding in situation.verdict.findings}

    *_, state = Page(render_status(situation)).row(signal.name)

    assert state == ("active warning" if signal.name in active else "quiet")


def test_thresholds_are_shown_as_configured() -> None:
    usual = default_tuning()
    key = "caller_failures", Severity.WARNING

    parsed = page(tuning=replace(usual, thresholds={**usual.thresholds, key: 0.35}))

    assert "≥ 35% warning" in parsed.row("caller_failures")
    assert "> 1.5 warning > 3 critical" in parsed.row("demand_surge")


def test_caller_with_a_finding_is_marked_and_others_are_not() -> None:
    html = render_status(snapshot())

    rows = {name: _row_html(html, name) for name in ("code_review", "issue_triage")}
    assert 'class="state warn"' in rows["code_review"]
    assert "warn" not in rows["issue_triage"]


def _row_html(html: str, caller: str) -> str:
    return html.partition(f">{caller}</bdi>")[2].partition("</tr>")[0]


def test_caller_without_requests_in_the_window_before_is_new_not_a_factor() -> None:
    assert page().row("nightly_batch batch")[-1] == "new"


@pytest.mark.parametrize(
    ("count", "said"), [(11, "and 1 more caller"), (13, "and 3 more callers")]
)
def test_only_the_ten_busiest_callers_are_listed(count: int, said: str) -> None:
    parsed = observed(callers=tuple(snapshots.caller(f"caller_{n}") for n in range(count)))

    assert "caller_9" in parsed.text
    assert "caller_10" not in parsed.text
    assert re.search(rf"{said}\b", parsed.text)


def test_estimated_tokens_are_called_estimated() -> None:
    estimated = TokenVolume(quarters=4_000, logged=0, estimated=2)

    assert "Tokens (est.)" in observed(demand=snapshots.demand(volume=estimated)).text


def test_dependency_says_up_down_or_unknown_and_since_when() -> None:
    parsed = observed(
        dependencies=(
            snapshots.health(
                Dependency.GITEA, up=False, failed_checks=9, last_change=UnixSeconds(NOW - 540)
            ),
            snapshots.health(Dependency.INFERENCE, up=None, last_change=None),
        )
    )

    assert parsed.row("gitea")[:3] == ["down", "9 min ago", "9 of 360"]
    assert parsed.row("inference")[:3] == ["unknown", "–", "0 of 360"]


def test_times_carry_the_exact_instant() -> None:
    assert '<time datetime="2026-03-29T21:03:20Z" title="2026-03-29T21:03:20Z">51 s ago' in (
        render_status(snapshot())
    )


def test_rejected_lines_are_counted_by_reason_where_there_are_some() -> None:
    counts = {**dict.fromkeys(RejectReason, 0), RejectReason.JSON: 3}
    sources = (snapshots.source(Source.REQUESTS, rejected=counts),)

    assert "requests: rejected: json 3" in page(sources_with_history=sources).text
    assert "rejected" not in page().text


def test_loading_shows_what_is_pending_and_no_verdict() -> None:
    sources = (snapshots.source(Source.REQUESTS, pending_bytes=182_000_000),)

    text = page(observation=None, sources_with_history=sources).text

    assert "Reading history…" in text
    assert "182.0 MB pending" in text
    assert "Demand is" not in text
    assert "What to do" not in text


def test_the_progress_bar_moves_with_history() -> None:
    read = snapshots.source(Source.REQUESTS, read_bytes=300, pending_bytes=700)
    live = replace(read, read_bytes=0)

    parsed = page(observation=None, sources=(live,), sources_with_history=(read,))

    assert (parsed.values("value"), parsed.values("max")) == (["300"], ["1000"])


def test_lines_of_history_are_lines_of_a_source() -> None:
    lines = {"sources": 12, "sources_with_history": 2_012}
    given = {name: (snapshots.source(Source.REQUESTS, lines=n),) for name, n in lines.items()}

    assert "2012" in page(**given).row("requests")


def test_no_telemetry_says_what_is_expected_where_instead_of_zeros() -> None:
    sources = (
        snapshots.source(Source.REQUESTS, patterns=("/srv/a/*.jsonl", "/srv/<b>/*.jsonl")),
        snapshots.source(Source.HEARTBEAT, patterns=("/srv/ticks_*.jsonl",)),
    )

    text = page(observation=silent(), sources_with_history=sources).text

    assert "No telemetry yet" in text
    assert "/srv/a/*.jsonlone line per inference request" in text
    assert "/srv/<b>/*.jsonlone line per inference request" in text
    assert "/srv/ticks_*.jsonlone line per health tick" in text
    assert "What to do" not in text
    assert "requests/h" not in text


def test_stale_telemetry_is_the_headline_and_not_calm() -> None:
    html = render_status(snapshot(observation=stale()))

    text = Page(html).text
    assert "Telemetry is stale since 20:42 UTC" in text
    assert "22 min ago" in text
    assert "1.56×" not in text
    assert 'class="verdict warn"' in html
    assert 'class="pill ok"' not in html


def test_missing_baseline_is_said_and_gives_no_factor() -> None:
    html = render_status(snapshot(observation=young()))

    assert "Demand has no baseline yet" in html
    assert 'class="factor"' not in html


def test_page_refreshes_itself_and_links_the_endpoints() -> None:
    parsed = page()

    assert ("http-equiv", "refresh") in parsed.attributes
    assert {"/metrics", "/api/v1/report", "/-/healthy", "/-/ready"} <= {*parsed.values("href")}
    assert "surge-exporter 0.1.0" in parsed.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_colour_is_readable_on_its_grounds(scheme: str) -> None:
    colors = _palette(scheme)
    tones = ("ok", "warn", "crit", "unknown")
    pairs = [
        *product(("ink", "muted", "link"), ("page", "card")),
        *product(("ink", "muted"), [f"{tone}-tint" for tone in tones]),
        *product(tones, ["card", *(f"{tone}-tint" for tone in tones)]),
        ("muted", "track"),
    ]

    unreadable = {
        pair: round(contrast, 2)
        for pair in pairs
        if (contrast := _contrast(colors[pair[0]], colors[pair[1]])) < READABLE
    }
    assert unreadable == {}


def _palette(scheme: str) -> dict[str, str]:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    rules = light if scheme == "light" else dark
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rules))


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    """WCAG 2.2, relative luminance."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
