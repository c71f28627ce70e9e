"""Frozen dataclasses as JSON and back: strict, by path, and without what has its default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from popleak.core import typed
from popleak.core.errors import PopleakError
from popleak.core.settings import Settings


class Own(Settings):
    rate: float
    epochs: int = 5


@dataclass(frozen=True)
class Inner:
    name: str
    sizes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: int
    mode: Literal["natural", "balanced"]
    pair: tuple[int, int]
    inner: Inner
    many: tuple[Inner, ...] = ()
    by_role: Mapping[Literal["victim", "shadow"], tuple[Inner, ...]] = field(default_factory=dict)
    free: Mapping[str, Any] = field(default_factory=dict)
    share: float | None = None
    weight: float | Literal["auto"] = 1.0
    own: Own | None = None
    flag: bool = False


LEAST = {"count": 3, "mode": "natural", "pair": [0, 2], "inner": {"name": "a"}}
FULL = {
    **LEAST, "many": [{"name": "b", "sizes": [0.5]}, {"name": "c"}], "by_role": {"victim": [{"name": "d"}]},
    "free": {"x": [1, {"y": None}]}, "share": 0.25, "weight": "auto", "own": {"rate": 0.1, "epochs": 5}, "flag": True,
}  # fmt: skip


@pytest.mark.parametrize("value", [LEAST, FULL], ids=["least", "full"])
def test_round_trip(value):
    found = typed.read(Outer, value, "this")
    assert typed.plain(found) == value
    assert typed.read(Outer, json.loads(json.dumps(typed.plain(found))), "this") == found


def test_what_has_its_default_is_left_out():
    given = Outer(3, "natural", (0, 2), Inner("a"), share=None, weight=1.0, free={})
    assert typed.plain(given) == LEAST
    assert typed.plain(Outer(3, "natural", (0, 2), Inner("a", (1.0,)), weight=2.0)) == {
        **LEAST, "inner": {"name": "a", "sizes": [1.0]}, "weight": 2.0,
    }  # fmt: skip


def test_a_whole_number_is_a_number():
    found = typed.read(Outer, {**LEAST, "share": 1}, "this").share
    assert found == 1.0 and isinstance(found, float)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": None}, "have null for the key 'count', not a whole number"),
        ({"count": "3"}, "have \"3\" for the key 'count', not a whole number"),
        ({"count": 3.0}, "have 3.0 for the key 'count', not a whole number"),
        ({"count": True}, "have true for the key 'count', not a whole number"),
        ({"flag": 1}, "have 1 for the key 'flag', not true or false"),
        ({"share": False}, "have false for the key 'share', not a number"),
        ({"mode": "equal"}, "have \"equal\" for the key 'mode', not one of natural, balanced"),
        ({"pair": [1]}, "have [1] for the key 'pair', not a list of 2"),
        ({"pair": [1, "2"]}, "have \"2\" for the key 'pair.1', not a whole number"),
        ({"many": "ab"}, "have \"ab\" for the key 'many', not a list"),
        ({"inner": []}, "have [] for the key 'inner', not an object"),
        ({"inner": {}}, "lack the key 'inner.name'"),
        ({"many": [{"name": "a"}, {}]}, "lack the key 'many.1.name'"),
        ({"inner": {"name": "a", "size": 1}}, "have an unknown key 'inner.size': allowed here: name, sizes"),
        ({"by_role": {"owner": []}}, "have \"owner\" for the key 'by_role', not one of victim, shadow"),
        ({"weight": "most"}, "have \"most\" for the key 'weight', not one of auto"),
        ({"own": {"epochs": 2}}, "have a wrong value at 'own.rate': field required"),
        ({"own": {"rate": 1, "more": 2}}, "have a wrong value at 'own.more': extra inputs are not permitted"),
        ({"colour": 1}, "have an unknown key 'colour': allowed here: count, mode, pair,"),
    ],
    ids=lambda one: json.dumps(one) if isinstance(one, dict) else "",
)
def test_what_is_refused(changes, said):
    with pytest.raises(PopleakError) as refused:
        typed.read(Outer, {**LEAST, **changes}, "the settings")
    assert str(refused.value).startswith(f"the settings {said}")
    assert str(refused.value).endswith(f": {typed.HINT}") and "\n" not in str(refused.value)


@pytest.mark.parametrize("key", LEAST)
def test_no_key_without_default_may_be_missing(key):
    with pytest.raises(PopleakError, match=f"^the settings lack the key '{key}': "):
        typed.read(Outer, {name: value for name, value in LEAST.items() if name != key}, "the settings")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not a JSON object"),
        ("8", "not a JSON object"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice"),
        ('{"a": NaN}', "NaN is not a number in JSON"),
        ('{"a": -Infinity}', "-Infinity is not a number in JSON"),
    ],
)
def test_a_text_that_is_no_settings(text, said):
    with pytest.raises(PopleakError) as refused:
        typed.loads(text)
    assert said in str(refused.value) and "\n" not in str(refused.value)
