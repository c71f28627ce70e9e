"""The accuracy gap that a paper reports, beside the gap of each pairing of populations that was run: which pairing comes nearest.

For claims of the kind `gap-falls` that are judged on more than one task. A setting here is a task and a model, in pure worlds. Its gap is the
mean |gap| of its models in one direction (models that start from one world), or over both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.protocols import PURE
from ..figures import _select as select
from ..measures import intervals, verdicts
from ..measures.verdicts import FAILS, HOLDS, OPEN, Found
from ..steps.papers import Claim, Paper
from ..tables._judges import evidence
from .words import cell, count, facet_name, listed

if TYPE_CHECKING:
    import pandas as pd

KIND = "gap-falls"
SIGNED = (-1.0, 1.0)
Away = Callable[[Found], tuple[float, float]]
HEAD = (
    "task", "before, world 0", "before, world 1", "before, both", "after, world 0", "after, world 1", "world 0; world 1",
    "before, more accurate on",
)  # fmt: skip
TITLE = (
    "Accuracy gap in points before and after {defence}, by the world that a model starts from, with 95 % intervals; the setting that comes nearest "
    "to the reported range first. Last: on which records models from world 0, and those from world 1, are more accurate"
)
POSITION = {
    HOLDS: "its whole interval is in that range",
    OPEN: "its interval is only partly in that range",
    FAILS: "its whole interval is outside that range",
}


class Setting(NamedTuple):
    """The gaps of one task, model and defence: after, of models that start from world 0 and from world 1; before, also of both. worlds: names
    of world 0 and world 1. signed: before, by direction, the accuracy on records of world 0 minus that on records of world 1."""

    name: str
    worlds: tuple[str, str]
    before: tuple[Found, Found, Found]
    after: tuple[Found, Found]
    signed: tuple[Found, Found]

    @property
    def higher(self) -> tuple[int | None, int | None]:
        """Return by direction on which world's records the models are more accurate; None where the interval does not tell."""
        first, second = (
            0 if one.low > 0 else 1 if one.high < 0 else None for one in self.signed
        )  # a missing interval is neither
        return first, second


class Cell(NamedTuple):
    """A cell of the table: its text and, of a number, what it is sorted by."""

    text: str
    sort: str | None = None


class Reported(NamedTuple):
    """What is said of one claim and one defence, and the table beside it."""

    claim: str
    title: str
    sentences: list[str]
    rows: list[list[Cell]]

    @property
    def markdown(self) -> str:
        """Return the table in Markdown, with its title above it."""
        lines = [HEAD, ["---"] * len(HEAD), *([cell(one.text) for one in row] for row in self.rows)]
        return "\n".join([f"{self.title}.", "", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def found(
    frames: Mapping[str, pd.DataFrame],
    paper: Paper | None,
    kinds: Mapping[str, Mapping[str, str]],
    groups: Mapping[tuple[str, str], Sequence[str]],
) -> list[Reported]:
    """Return an entry for each claim of the kind and defence that is judged on more than one task. Where the settings of a defence are swept,
    none of them stands for it, and nothing is said.

    frames: the tables `models`, `claims` and `leakage`; kinds: of each defence, by task; groups: names of group 0 and group 1 by dataset and
    attribute.
    """
    return [
        _entry(claim, name, settings)
        for claim in (paper.claims if paper else ())
        if claim.kind == KIND
        for name, settings in _settings(claim, frames, kinds, groups)
    ]


def groups_of(cards: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the names of group 0 and group 1 by dataset and attribute, where all files of the two agree on them. cards: of the stage
    `dataset`, with the fields of `Card` and `dataset` and `attribute`."""
    names: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for card in cards:
        key = (str(card.get("dataset")), str(card.get("attribute")))
        known = (card.get("attributes") or {}).get(card.get("attribute"))
        if known:
            names.setdefault(key, set()).add(tuple(known["groups"]))
    return {key: next(iter(several)) for key, several in names.items() if len(several) == 1}


def _settings(
    claim: Claim,
    frames: Mapping[str, pd.DataFrame],
    kinds: Mapping[str, Mapping[str, str]],
    groups: Mapping[tuple[str, str], Sequence[str]],
) -> Iterator[tuple[str, list[Setting]]]:
    """Yield each kind of defence of the claim with its settings."""
    claims, leakage = frames["claims"], frames["leakage"]
    tasks = sorted(set(claims[(claims["claim"] == claim.id) & (claims["kind"] == KIND)]["task"]))
    victims = select.plain(select.of(frames["models"], role="victim", protocol=PURE))
    about = leakage.drop_duplicates("task").set_index("task")
    for kind in claim.defences:
        names = {task: [name for name, one in kinds.get(task, {}).items() if one == kind] for task in tasks}
        names = {task: several for task, several in names.items() if several}
        if len(names) < 2 or any(len(several) > 1 for several in names.values()):
            continue
        mine = victims[victims["task"].isin(list(names))]
        several = mine["model"].nunique() > 1
        yield (
            kind,
            [
                _setting(
                    facet_name({"task": task, "model": model}, several),
                    part,
                    names[str(task)][0],
                    _worlds(about, str(task), groups),
                )
                for (task, model), part in mine.groupby(["task", "model"], sort=False)
            ],
        )


def _worlds(about: pd.DataFrame, task: str, groups: Mapping[tuple[str, str], Sequence[str]]) -> tuple[str, str]:
    """Return the names of the two pure worlds of a task: those of the groups, where they are known."""
    if task in about.index:
        first, second = groups.get((about.loc[task, "dataset"], about.loc[task, "attribute"]), ("world 0", "world 1"))
        return first, second
    return "world 0", "world 1"


def _setting(name: str, part: pd.DataFrame, defence: str, worlds: tuple[str, str]) -> Setting:
    before, after = (part[part["defence"] == one] for one in ("none", defence))
    (from_0, from_1), (then_0, then_1) = (
        [evidence.mean(one, one["gap"].abs()) for one in _directions(arm)] for arm in (before, after)
    )
    both = evidence.mean(before, before["gap"].abs())
    first, second = (_signed(one) for one in _directions(before))
    return Setting(name, worlds, (from_0, from_1, both), (then_0, then_1), (first, second))


def _directions(part: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return part[part["world"] == 0], part[part["world"] == 1]


def _signed(part: pd.DataFrame) -> Found:
    known, split, counts = evidence.kept(part, part["gap"])
    return Found(*intervals.mean(known.to_numpy(float), split.to_numpy(), span=SIGNED), **counts)


def _entry(claim: Claim, defence: str, settings: Sequence[Setting]) -> Reported:
    low, high = claim.before or (0.0, 1.0)

    def away(one: Found) -> tuple[float, float]:
        """Return how far a gap is from the reported range, and, within it, from its middle."""
        if isnan(one.value):
            return (1.0, 1.0)
        return max(low - one.value, one.value - high, 0.0), abs(one.value - (low + high) / 2)

    ranked = sorted(settings, key=lambda setting: away(setting.before[2]))
    title = TITLE.format(defence=defence)
    known = [setting for setting in ranked if not isnan(setting.before[2].value)]
    said = _sentences(claim, defence, known, away) if known else ["No model is left whose gap is known."]
    return Reported(claim.id, title, said, [_row(setting) for setting in ranked])


def _sentences(claim: Claim, defence: str, ranked: Sequence[Setting], away: Away) -> list[str]:
    """Return what is said of the settings, the nearest of which is the first."""
    best, limit = ranked[0], claim.limit or 0.0
    return [
        *_of_both(claim, defence, ranked),
        _of_one(claim, ranked, away),
        f"After {defence} the gap of {best.name} is {_points(best.after[0])} points where the base model was trained on {best.worlds[0]} and "
        f"{_points(best.after[1])} where it was trained on {best.worlds[1]}: {_under(best, limit)}. {_counted(ranked, limit)}",
        *_same_group(ranked),
        "The paper does not say whether its figure is a mean over directions or that of one, and its settings are not public. So this says which "
        "pairing fits the figure here, not which one the paper used.",
    ]


def _of_both(claim: Claim, defence: str, ranked: Sequence[Setting]) -> Iterator[str]:
    """Yield which setting is nearest over both directions, and how many are in the reported range."""
    low, high = claim.before or (0.0, 1.0)
    best, limit = ranked[0], claim.limit or 0.0
    both, place = best.before[2], verdicts.within(best.before[2], low, high)
    near = [one.name for one in ranked[1:] if one.before[2].low <= both.high and one.before[2].high >= both.low]
    yield (
        f"Nearest to the gap that the paper reports ({claim.id}, read as {100 * low:g} to {100 * high:g} points) comes, under these settings, "
        f"{best.name}: before {defence} the gap is {_points(both)} points over both directions, {_points(best.before[0])} in models trained on "
        f"{best.worlds[0]} and {_points(best.before[1])} in models trained on {best.worlds[1]}; {POSITION[place.word]}. "
        + (_overlap(near) if near else "No other setting's interval overlaps with it.")
    )
    inside = [one for one in ranked if verdicts.within(one.before[2], low, high).word == HOLDS]
    yield (
        f"The whole interval of the gap before, over both directions, is in the range in {len(inside)} of {count(len(ranked), 'setting')}; in "
        f"{sum(_judged(one, limit) == HOLDS for one in inside)} of these the gap after is also under {100 * limit:g} points in both directions, as "
        f"the paper reports."
    )


def _of_one(claim: Claim, ranked: Sequence[Setting], away: Away) -> str:
    """Return which setting is nearest in one direction, and how many directions are in the reported range."""
    low, high = claim.before or (0.0, 1.0)
    limit = claim.limit or 0.0
    ways = [(setting, way) for setting in ranked for way in (0, 1) if not isnan(setting.before[way].value)]
    where, world = min(ways, key=lambda pair: away(pair[0].before[pair[1]]))
    inside = [(one, way) for one, way in ways if verdicts.within(one.before[way], low, high).word == HOLDS]
    return (
        f"If the paper's figure is of one direction, nearest comes {where.name} with models trained on {where.worlds[world]}: "
        f"{_points(where.before[world])} points before and {_points(where.after[world])} after. The whole interval before is in the range in "
        f"{len(inside)} of {count(2 * len(ranked), 'direction')}; in {sum(verdicts.below(one.after[way], limit).word == HOLDS for one, way in inside)} "
        f"of these the gap after is also under {100 * limit:g} points."
    )


def _same_group(ranked: Sequence[Setting]) -> Iterator[str]:
    """Yield in how many settings models of both directions are more accurate on one and the same group, if in any."""
    same = [one for one in ranked if one.higher[0] is not None and one.higher[0] == one.higher[1]]
    if same:
        yield (
            f"In {len(same)} of {count(len(ranked), 'setting')} models of both directions are more accurate on the same group before the "
            f"defence{' (the nearest setting is one of them)' if ranked[0] in same else ''}. There the gap is also that this group's label is easier "
            f"to predict, whatever a model was trained on."
        )


def _overlap(names: Sequence[str]) -> str:
    return f"The interval{'s' if len(names) > 1 else ''} of {listed(names)} overlap{'' if len(names) > 1 else 's'} with it."


def _judged(setting: Setting, limit: float) -> str:
    """Return the verdict on whether the gap after is under the limit in both directions."""
    return verdicts.together(verdicts.below(one, limit) for one in setting.after).word


def _under(setting: Setting, limit: float) -> str:
    said = f"under the {100 * limit:g} points that the paper reports"
    return {HOLDS: f"{said}, in both directions", FAILS: f"not {said}", OPEN: f"not shown to be {said}"}[
        _judged(setting, limit)
    ]


def _counted(settings: Sequence[Setting], limit: float) -> str:
    words = [_judged(one, limit) for one in settings]
    return (
        f"It is under {100 * limit:g} points in both directions in {words.count(HOLDS)} of {count(len(words), 'setting')}, above in at least one "
        f"direction in {words.count(FAILS)}, and undecided in {words.count(OPEN)}."
    )


def _points(one: Found) -> str:
    """Return a gap in points with its interval: `7.1 (6.3 to 7.9)`."""
    if isnan(one.value):
        return "\u2013"
    ends = "" if isnan(one.low) else f" ({100 * one.low:.1f} to {100 * one.high:.1f})"
    return f"{100 * one.value:.1f}{ends}"


def _row(setting: Setting) -> list[Cell]:
    numbers = [
        Cell(_points(one), "" if isnan(one.value) else f"{one.value:.10g}") for one in (*setting.before, *setting.after)
    ]
    higher = "; ".join("\u2013" if world is None else setting.worlds[world] for world in setting.higher)
    return [Cell(setting.name), *numbers, Cell("; ".join(setting.worlds)), Cell(higher)]
