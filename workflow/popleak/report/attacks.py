"""What an experiment with several kinds of access shows, in sentences: by what an adversary sees of a victim, and by what it knows.

Each sentence counts cells of a task and a defence in their main pair of worlds, or gives the ends of their range; a difference is
between two adversaries on the same victims, with the paired interval of the tables. Intervals are not corrected for their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import plugins
from ..figures import _select as select
from ..figures._style import adversaries, defences
from ..figures._style import said as adversary_name
from ..measures import intervals
from ..measures.leakage import correctness
from ..measures.verdicts import ABOVE, BELOW
from .words import away_from_half, count, listed, percent, with_models

if TYPE_CHECKING:
    import pandas as pd

GAME = ["task", "model", *select.PAIR]
VICTIM = ["split", "world", "model_index"]
CELL = [*GAME, "defence"]
BEST = "labels or scores"
"""What the candidates for `best` see, whose access is `any` in the tables."""
WHITE, BLACK = "weights", "meta"
"""The attack on weights, and the one on scores that it is compared with: both learn from shadows what to look at."""


def table(leakage: pd.DataFrame) -> str:
    """Return in Markdown, for each task's main pair of worlds, the share of victims named by each informed adversary under each defence."""
    frame = with_models(select.informed(select.plain(leakage.reset_index(drop=True))))
    lines = []
    for (task, model), pair in select.main_pairs(frame).items():
        mine = select.of_pair(select.of(frame, task=task, model=model), pair)
        names = list(defences(mine["defence"]))
        lines += [
            f"{task}, {pair.label}:",
            "",
            f"| sees | adversary | {' | '.join(names)} |",
            "| --- " * (len(names) + 2) + "|",
        ]
        for access, adversary in _lines(mine):
            found = select.of(mine, access=access, adversary=adversary).drop_duplicates("defence").set_index("defence")
            cells = [_cell(found.loc[name]) if name in found.index else "" for name in names]
            lines.append(f"| {_words(access)[1]} | {adversary_name(adversary)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _lines(mine: pd.DataFrame) -> list[tuple[str, str]]:
    place = {name: i for i, name in enumerate(adversaries(mine["adversary"]))}
    found = {(row.access, row.adversary) for row in mine[["access", "adversary"]].itertuples()}
    return sorted(found, key=lambda one: (_words(one[0])[0], place[one[1]]))


def _words(access: str) -> tuple[int, str]:
    """Return the place of an access in the table, and what it is called."""
    plugin = plugins.find("access", access)
    return (plugin.place, plugin.words or access) if plugin else (2, BEST if access == "any" else access)


def _cell(row: Mapping[str, Any]) -> str:
    return f"{percent(row['accuracy'], 0)} ({100 * row['accuracy_low']:.0f} to {100 * row['accuracy_high']:.0f})"


def findings(leakage: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Return the sentences, each only where its adversaries were run."""
    leakage, scores = with_models(leakage.reset_index(drop=True)), with_models(scores)
    pairs = {(*key, *pair) for key, pair in select.main_pairs(select.plain(leakage)).items()}
    scores = select.among(scores, GAME, pairs)
    scores = scores.assign(correct=correctness(scores["guess"].to_numpy(), scores["world"].to_numpy()))
    usual = select.plain(scores)
    able = scores[scores["knowledge"].isin(["informed", "any"])]
    return [
        *_weights(select.plain(able)),
        *_base_too(select.among(select.plain(leakage), GAME, pairs)),
        *_knowledge(usual, select.among(select.plain(leakage), GAME, pairs)),
        *_asked_again(able),
        *_other_shadows(able),
        *_poison(able, leakage),
    ]


def compared(one: pd.DataFrame, other: pd.DataFrame, by: Sequence[str] = CELL) -> pd.DataFrame:
    """Return the paired difference in accuracy of two adversaries on the same victims, by cell: columns `by`, value, low, high.

    one, other: rows of `scores` with `correct`, one a victim in each cell.
    """
    import pandas as pd

    both = one.merge(other, on=[*by, *VICTIM], suffixes=("", "_other"), validate="1:1")
    rows = []
    for key, cell in both.groupby(list(by), sort=True):
        found = intervals.paired_test(
            cell["correct"].to_numpy(), cell["correct_other"].to_numpy(), cell["split"].to_numpy()
        )
        rows.append({**dict(zip(by, key, strict=True)), "value": found.value, "low": found.low, "high": found.high})
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high"])


def _counted(found: pd.DataFrame, more: str, less: str) -> str:
    """Return in how many cells the interval lies above and below 0, and the ends of the range."""
    above, below = int((found["low"] > 0).sum()), int((found["high"] < 0).sum())
    said = f"{more} in {above} of {count(len(found), 'cell')} and {less} in {below} (the 95 % interval of the paired difference excludes 0)"
    ends = [found.loc[found["value"].idxmin()], found.loc[found["value"].idxmax()]]
    return said + "; the difference runs from " + " to ".join(f"{_points(end)} ({_where(end)})" for end in ends)


def _points(row: Mapping[str, Any]) -> str:
    value, low, high = (f"{100 * row[name]:+.1f}".replace("-", "\u2212") for name in ("value", "low", "high"))
    return f"{value} points" + (
        f" [{low}, {high}]" if row["low"] == row["low"] else " (too few victims for an interval)"
    )


def _where(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[name]) for name in ("task", "adversary", "defence") if name in row)


def _weights(able: pd.DataFrame) -> list[str]:
    found = compared(select.of(able, adversary=WHITE), select.of(able, adversary=BLACK))
    if found.empty:
        return []
    return [
        f"With access to the weights, an informed adversary (`{WHITE}`, compared with `{BLACK}` on scores) is right {_counted(found, 'more often', 'less often')}."
    ]


def _base_too(plain: pd.DataFrame) -> list[str]:
    found = select.informed(select.of(plain, access="pair"))
    found = found[found["accuracy"].notna()]
    if found.empty:
        return []
    ends = [found.loc[found["accuracy"].idxmin()], found.loc[found["accuracy"].idxmax()]]
    said = " to ".join(f"{percent(end['accuracy'])} ({_where(end[['task', 'defence']])})" for end in ends)
    return [
        f"If the base model is published as well as the defended one, `pair` names the world of {said} of victims ({count(len(found), 'cell')})."
    ]


def _knowledge(usual: pd.DataFrame, plain: pd.DataFrame) -> list[str]:
    lines = []
    aware, informed = (select.of(usual, knowledge=level, adversary=BLACK) for level in ("aware", "informed"))
    found = compared(informed, aware)
    if len(found):
        lines.append(
            f"An adversary who knows a defence's settings and not only its kind (`{BLACK}`, informed compared with aware, if the settings are "
            f"not the default ones) is right {_counted(found, 'more often', 'less often')}."
        )
    blind = plain[(plain["adversary"] == "best") & (plain["knowledge"] == "unaware") & (plain["defence"] != "none")]
    if len(blind):
        words = blind["against_chance"]
        named = listed(
            f"{_where(row)} ({percent(row['accuracy'], 0)})"
            for row in blind[words == ABOVE][["task", "defence", "accuracy"]].to_dict("records")
        )
        lines.append(
            f"With undefended shadows the best adversary of defended victims is above chance in {int((words == ABOVE).sum())} of "
            f"{count(len(blind), 'cell')}{f', {named},' if named else ''} and below it in {int((words == BELOW).sum())}."
        )
    return lines


def _own(scores: pd.DataFrame) -> pd.Series:
    """Return whether a row's shadows have the victim's architecture, or none are used."""
    return scores["shadow_model"].isna() | (scores["shadow_model"] == scores["model"])


def _asked_again(able: pd.DataFrame) -> list[str]:
    able = able[(able["poison"] == 0) & _own(able)]
    lines = []
    for many in sorted(set(able["repeats"].dropna())):
        if many <= 1:
            continue
        found = compared(select.of(able, repeats=many), select.of(able, repeats=1), [*CELL, "adversary"])
        if len(found):
            lines.append(
                f"Asking each query {int(many)} times instead of once, adversaries of defences that answer at random are right "
                f"{_counted(found, 'more often', 'less often')}."
            )
    return lines


def _other_shadows(able: pd.DataFrame) -> list[str]:
    able = able[(able["poison"] == 0) & (able["repeats"].fillna(1) == 1) & (able["defence"] == "none")]
    own = able[able["shadow_model"] == able["model"]]
    lines = []
    for shadow in sorted(set(able["shadow_model"].dropna()) - set(able["model"])):
        found = compared(select.of(able, shadow_model=shadow), own, [*CELL, "adversary"])
        if len(found):
            lines.append(
                f"With shadows of another architecture ({shadow}), adversaries of undefended victims are right "
                f"{_counted(found, 'more often', 'less often')}."
            )
    return lines


def _poison(able: pd.DataFrame, leakage: pd.DataFrame) -> list[str]:
    """Say what poison adds: `snap` on poisoned models against the best-known attack on their clean twins."""
    able = able[(able["repeats"].fillna(1) == 1) & (able["defence"] == "none") & _own(able)]
    clean = select.of(able, poison=0.0, adversary="kl")
    lines = []
    for share in sorted(set(able["poison"].dropna())):
        found = compared(select.of(able, poison=share, adversary="snap"), clean)
        if share and len(found):
            said = listed(f"{_points(row)} on {row['task']}" for row in found.to_dict("records"))
            lines.append(
                f"With {percent(share)} poisoned rows the share that `snap` names differs from that of `kl` on the clean twins by {said}."
            )
    same = select.alike(leakage[(leakage["poison"].fillna(0) > 0) & leakage["accuracy_low"].notna()])
    if len(same):
        outside, expected = away_from_half(same)
        lines.append(
            f"If both worlds are the same, {outside} of {count(len(same), 'interval')} of poisoned models exclude 50 %; about {expected} "
            f"would do so by chance alone."
        )
    return lines
