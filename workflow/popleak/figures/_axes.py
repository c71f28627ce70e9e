"""Which settings of defences vary while all else is equal: curves found by rule from the settings of the arms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

AXES = {
    "rehearsal": "mixing: share of S_0",
    "rows": "mixing: base : F",
    "learning_rate": "forgetting: step size",
    "epochs": "forgetting: epochs",
    "eo_weight": "fairness: EO weight",
}
"""Settings that may vary, with what each is about."""
FILLED = {"rows": 1.0}
"""What a setting is where it is left out, being at its default."""


class Curve(NamedTuple):
    """One kind of defence along one setting: the values that it takes, rising, and the ids of the arms."""

    kind: str
    axis: str
    values: tuple[float, ...]
    arms: tuple[str, ...]


def curves(arms: Iterable[Mapping[str, Any]]) -> list[Curve]:
    """Return the curves of arms with the keys defence, kind, control and settings (JSON), at most one for each kind and axis.

    Along a curve nothing but its axis varies. Of several sets of arms that vary in one axis the one with most values is taken; of equals
    the one whose arms are on most other curves: grids are read through their centre. The control of fair arms, which is the same without the term, is their point
    at weight 0.
    """
    read = [(one, _settings(one)) for one in arms]
    there = {one["defence"] for one, _ in read}
    chosen = {key: _points(key[1], group, there) for key, group in _groups(read).items()}
    chosen = {key: points for key, points in chosen.items() if len(points) > 1}
    times = Counter(arm for points in chosen.values() for arm in points.values())

    def rank(item: tuple[tuple[str, str, str], dict[float, str]]) -> tuple:
        key, points = item
        return -len(points), -sum(times[arm] for arm in points.values()), key

    found: dict[tuple[str, str], Curve] = {}
    for (kind, axis, _), points in sorted(chosen.items(), key=rank):
        values = tuple(sorted(points))
        found.setdefault((kind, axis), Curve(kind, axis, values, tuple(points[value] for value in values)))
    return sorted(found.values(), key=lambda one: (list(AXES).index(one.axis), one.kind))


def _groups(
    read: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> dict[tuple[str, str, str], dict[float, Mapping[str, Any]]]:
    """Return arms by kind, axis and all other settings, and among these by the axis's value; read: arms with their settings."""
    groups: dict[tuple[str, str, str], dict[float, Mapping[str, Any]]] = {}
    for one, own in read:
        for axis in AXES:
            value = own.get(axis)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                rest = json.dumps({key: own[key] for key in sorted(own) if key != axis}, sort_keys=True)
                groups.setdefault((str(one["kind"]), axis, rest), {})[float(value)] = one
    return groups


def _settings(arm: Mapping[str, Any]) -> dict[str, Any]:
    own = json.loads(arm["settings"]) if isinstance(arm["settings"], str) else {}
    # a share of rows means something to a mixture alone
    return {**(FILLED if "rehearsal" in own else {}), **own}


def _points(axis: str, group: Mapping[float, Mapping[str, Any]], there: set[str]) -> dict[float, str]:
    """Return arms by the value of the axis, with their control at weight 0."""
    points = {value: str(one["defence"]) for value, one in group.items()}
    controls = {one["control"] for one in group.values()}
    if axis == "eo_weight" and 0.0 not in points and len(controls) == 1 and (control := controls.pop()) in there:
        points[0.0] = str(control)
    return points


def label(axis: str, value: float) -> str:
    """Return how a value is written: of rows how many times as many S_0 has."""
    return f"{1 / value:.3g}" if axis == "rows" else f"{value:g}"


def positions(axis: str, found: Sequence[Curve]) -> list[float]:
    """Return all values of an axis, in the order to draw them: of rows the fewer come last."""
    return sorted({value for one in found for value in one.values}, reverse=axis == "rows")
