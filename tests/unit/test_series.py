"""Labels that every exposition can carry, in bounded numbers, and the series they make."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from surge_exporter.core.series import OTHER, CappedLabel, SeriesKey, SeriesTable, clean_label
from surge_exporter.model import UNKNOWN


def admitted(table: SeriesTable, *callers: str | int | None, at: float = 0) -> list[int]:
    return [table.admit(caller, "m", success=True, at=at) for caller in callers]


def see(table: SeriesTable, caller: str | int | None, model: str, at: float) -> int:
    """Note a request as the window does."""
    identifier = table.ids.get((caller, model, True))
    if identifier is None:
        identifier = table.admit(caller, model, success=True, at=at)
    table.touch(identifier, at)
    return identifier


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("heartbeat_tick", "heartbeat_tick"),
        ("modèle 🦙", "modèle 🦙"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        (0, "0"),
        (-7, "-7"),
        (10**50, f"1{'0' * 50}"),
        ("tick\ud800", "tick?"),
        ("\ude00\ud83d", "??"),
        ("a\nb\tc\0d\x7fe\x9ff", "a b c d e f"),
        ("line\u2028separator", "line\u2028separator"),
        ('quote" back\\slash', 'quote" back\\slash'),
        ("x" * 128, "x" * 128),
        pytest.param("x" * 129, "x" * 128, id="129 characters"),
        pytest.param("🦙" * 10**6, "🦙" * 128, id="a million llamas"),
    ],
)
def test_a_label_is_what_the_line_says_but_for_poison(raw: str | int | None, label: str) -> None:
    """Case 12."""
    assert clean_label(raw) == label


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=200) | st.integers() | st.none())
@example("\ud800" * 200)
@example("".join(map(chr, range(0xA0))))
def test_any_label_can_be_exposed(raw: str | int | None) -> None:
    """Case 12."""
    label = clean_label(raw)

    assert label.encode().decode() == label
    assert 0 < len(label) <= 128
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", label)
    assert clean_label(label) == label


def test_a_label_admits_values_until_it_is_full() -> None:
    label = CappedLabel(2)

    assert [label.admit(raw, 0) for raw in ("a", 7, "b", "a", None)] == [
        *("a", "7", OTHER, "a", OTHER)
    ]


def test_expiry_returns_the_idle_values_and_makes_room_for_others() -> None:
    label = CappedLabel(2)
    label.admit("old", 10)
    label.admit("new", 20)

    assert label.expire(20) == {"old"}
    assert label.admit("newer", 30) == "newer"
    assert label.admit("newest", 30) == OTHER


def test_a_value_in_use_does_not_expire() -> None:
    label = CappedLabel(1)
    label.admit("a", 10)
    label.touch("a", 30)
    label.touch("a", 20)

    assert label.expire(30) == frozenset()
    assert label.expire(31) == {"a"}


def test_a_value_is_idle_for_as_long_after_the_clock_was_set() -> None:
    label = CappedLabel(2)
    label.admit("a", 10)
    label.admit("b", 20)
    label.shift(-5)

    assert label.expire(6) == {"a"}
    assert label.expire(15) == frozenset()


def test_a_touch_admits_nothing() -> None:
    label = CappedLabel(1)
    label.touch("a", 10)

    assert label.expire(20) == frozenset()
    assert label.admit("b", 20) == "b"


def test_an_identifier_stands_for_a_caller_a_model_and_a_success() -> None:
    table = SeriesTable()

    identifiers = [
        table.admit(caller, model, success=success, at=0)
        for caller in ("a", "b")
        for model in ("m", "n")
        for success in (False, True)
    ]

    assert [table.key(identifier) for identifier in identifiers] == [
        SeriesKey(caller, model, success)
        for caller in "ab"
        for model in "mn"
        for success in (False, True)
    ]


@pytest.mark.parametrize(
    ("raw", "same"),
    [(None, ""), (None, UNKNOWN), (7, "7"), ("a\n", "a\t"), ("x" * 128, "x" * 300)],
)
def test_raw_values_with_one_label_are_one_series(
    raw: str | int | None, same: str | int | None
) -> None:
    first, second = admitted(SeriesTable(), raw, same)

    assert first == second


def test_the_hot_path_finds_a_series_by_its_raw_triple() -> None:
    table = SeriesTable()

    (identifier,) = admitted(table, "a")
    (unknown,) = admitted(table, None)

    assert table.ids == {("a", "m", True): identifier, (None, "m", True): unknown}


@pytest.mark.parametrize("suffix", ["", "x" * 128])
def test_values_without_end_take_no_memory(suffix: str) -> None:
    """Case 12. Overflowed ones are many, and so are long ones that are one label when cut."""
    table = SeriesTable(callers=3, models=3)

    for number in range(1000):
        table.admit(f"{suffix}{number}", "m", success=True, at=0)
        table.admit("a", f"{suffix}{number}", success=True, at=0)

    assert len(table.ids) <= 6


def test_an_overflow_of_one_label_leaves_the_other_alone() -> None:
    table = SeriesTable(callers=1, models=1)
    table.admit("a", "m", success=True, at=0)

    new_caller = table.admit("b", "m", success=True, at=0)
    new_model = table.admit("a", "n", success=True, at=0)

    assert table.key(new_caller) == SeriesKey(OTHER, "m", success=True)
    assert table.key(new_model) == SeriesKey("a", OTHER, success=True)


def test_a_series_goes_with_its_caller_and_leaves_the_others() -> None:
    table = SeriesTable()
    old, new = (*admitted(table, "old", at=10), *admitted(table, "new", at=20))
    table.touch(new, 20)

    gone = table.expire(20)

    assert gone == {SeriesKey("old", "m", success=True)}
    assert table.ids == {("new", "m", True): new}
    assert table.key(new).caller == "new"
    with pytest.raises(KeyError):
        table.key(old)


def test_a_series_goes_with_its_model() -> None:
    table = SeriesTable()
    table.admit("a", "old", success=True, at=10)
    table.touch(table.admit("a", "new", success=False, at=20), 20)

    assert table.expire(20) == {SeriesKey("a", "old", success=True)}


def test_a_series_is_idle_for_as_long_after_the_clock_was_set() -> None:
    table = SeriesTable()
    table.admit("a", "m", success=True, at=10)
    table.admit("b", "n", success=True, at=20)
    table.shift(100)

    assert table.expire(110) == frozenset()
    assert table.expire(111) == {SeriesKey("a", "m", success=True)}


def test_the_identifier_of_an_expired_series_is_used_again() -> None:
    table = SeriesTable()
    (old,) = admitted(table, "old", at=10)
    table.expire(20)

    (new,) = admitted(table, "new", at=20)

    assert new == old
    assert table.key(new).caller == "new"
    assert table.ids == {("new", "m", True): new}


@pytest.mark.parametrize("caller", ["new", None, 7])
def test_a_caller_that_overflowed_has_its_own_series_once_there_is_room(
    caller: str | int | None,
) -> None:
    table = SeriesTable(callers=1)
    _, overflowed = admitted(table, "old", caller, at=10)
    table.touch(overflowed, 20)
    table.expire(20)

    identifier = see(table, caller, "m", 20)

    assert table.key(overflowed).caller == OTHER
    assert table.key(identifier).caller == clean_label(caller)


LIMIT = 2


@dataclass
class NaiveSeries:
    """The same, plainly: when was each caller and each model last seen, and with whom."""

    callers: dict[str, float] = field(default_factory=dict)
    models: dict[str, float] = field(default_factory=dict)
    keys: set[SeriesKey] = field(default_factory=set)

    def see(self, caller: str, model: str, at: float) -> SeriesKey:
        """Return the series of a request, with one label after the other."""
        labels = _seen(self.callers, caller, at), _seen(self.models, model, at)
        key = SeriesKey(*labels, success=True)
        self.keys.add(key)
        return key

    def expire(self, idle_since: float) -> set[SeriesKey]:
        """Forget what was not seen since, and return the series that it was part of."""
        callers, models = _forget(self.callers, idle_since), _forget(self.models, idle_since)
        gone = {key for key in self.keys if key.caller in callers or key.model in models}
        self.keys -= gone
        return gone


def _seen(label: dict[str, float], value: str, at: float) -> str:
    if value not in label and len(label) == LIMIT:
        return OTHER
    label[value] = max(at, label.get(value, at))
    return value


def _forget(label: dict[str, float], idle_since: float) -> set[str]:
    idle = {value for value, at in label.items() if at < idle_since}
    for value in idle:
        del label[value]
    return idle


INSTANTS = st.integers(0, 30)
REQUESTS = st.tuples(st.sampled_from("abc"), st.sampled_from("mno"), INSTANTS)


@settings(max_examples=200, deadline=None)
@given(st.lists(REQUESTS | INSTANTS, max_size=60))
def test_series_come_and_go_as_in_a_naive_table(
    events: Iterable[tuple[str, str, int] | int],
) -> None:
    table, naive = SeriesTable(callers=LIMIT, models=LIMIT), NaiveSeries()
    identifiers: dict[SeriesKey, int] = {}

    for event in events:
        if isinstance(event, int):
            gone = naive.expire(event)

            assert table.expire(event) == gone
            for key in gone:
                del identifiers[key]
        else:
            key = naive.see(*event)
            identifier = see(table, *event)

            assert identifiers.setdefault(key, identifier) == identifier
        assert {table.key(identifier): identifier for identifier in identifiers.values()} == (
            identifiers
        )
        assert set(table.ids.values()) <= set(identifiers.values())
