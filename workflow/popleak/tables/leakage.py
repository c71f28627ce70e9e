"""Public table `leakage`: one row a cell (task, pair of worlds, defence, adversary, knowledge), with intervals.

The unit is a victim with its own draw; intervals carry the clustering of victims by pool split (`measures.intervals`).
Differences are paired: a victim under a defence against the same victim without it, or under the no-EO control. A victim that
diverged under either is in no difference; in the accuracy it is one that answers 0.5 to all. Where both defences gave the same
models there is nothing to test, and the verdict is `not applicable`. Else two tests are made, of no difference and of one as large as
the margin, each corrected (Holm) within its family: what claim C6 asks is `primary`, all else `secondary`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ..core.protocols import RATIO
from ..measures import intervals, leakage, paired, verdicts
from ..steps.tables._adversaries import Adversaries
from ..steps.tables.leakage import Table
from ..store import schema
from ..store.plain import by_group, plain
from . import as_arrow
from ._victims import VICTIM, Victims, numbers

PAIR = ["task", "model", "protocol", "ratio_0", "ratio_1", "poison"]
ADVERSARY = ["adversary", "access", "knowledge", "shadow_model", "repeats"]
BEST = "best"
RATES = tuple(f"tpr_at_fpr_{rate}{end}" for rate in ("05", "01") for end in ("", "_low", "_high"))
SAMPLES = ("n_leaked", "n_leaked_low", "n_leaked_high")


class Cell(NamedTuple):
    """One adversary's verdicts under one defence: arrays (n,), ordered by `victim`, the victim's number in its game."""

    victim: np.ndarray
    split: np.ndarray
    world: np.ndarray
    score: np.ndarray
    guess: np.ndarray
    correct: np.ndarray


Adversary = tuple[str, str, str, str, int]
"""adversary, access, knowledge, shadow model and repeats."""
Cells = dict[tuple[str, str, str, str, str, int], Cell]
"""By defence and `Adversary`."""
OTHERS = ("none", "control")
PRIMARY, SECONDARY = "primary", "secondary"


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from `scores` and `models`."""
    scores, models = tables["scores"], tables["models"]
    known = dict(iter(models[models["role"] == "victim"].groupby(PAIR, sort=False)))
    rows = []
    for key, game, cells in games(scores, settings):
        controls = settings.controls.get(game["task"].iloc[0], {})
        blind = settings.without_models.get(game["task"].iloc[0], ())
        victims = Victims(known.get(key, models.iloc[:0]))
        found = _game(game, cells, controls, victims, settings.margin, blind)
        rows += _certified(found, victims, settings.uncovered.get(game["task"].iloc[0], ()))
    kept = [column.name for column in schema.TABLES["leakage"]]
    data = {task: dataclasses.asdict(one) for task, one in settings.data.items()}
    rows = [row | data.get(row["task"], {}) for row in rows]
    frame = pd.DataFrame(rows, columns=[*kept, *(f"found_{other}" for other in OTHERS)])
    frame["margin"], frame["family"] = settings.margin, _families(frame, settings)
    searched = _among(frame, "defence", settings.searched)
    _judge(frame, "none", searched=np.zeros(len(frame), dtype=bool))
    _judge(frame, "control", searched=searched)
    return as_arrow("leakage", frame)


def _certified(rows: list[dict[str, Any]], models: Victims, uncovered: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of one game with the certificate of each defence. uncovered: adversaries that see what no certificate is about."""
    of = {name: models.certified(name) for name in {row["defence"] for row in rows}}
    return [
        row | {"certified_advantage": np.nan if row["adversary"] in uncovered else of[row["defence"]]} for row in rows
    ]


def games(scores: pd.DataFrame, settings: Adversaries) -> Iterator[tuple[tuple, pd.DataFrame, Cells]]:
    """Yield each game's key (PAIR), its verdicts with the columns `correct` and `victim`, and its cells, `best` among them.

    scores: rows of the table `scores`; settings: by task, the adversaries that are no candidates for `best`.
    """
    scores = scores.assign(correct=leakage.correctness(scores["guess"].to_numpy(), scores["world"].to_numpy()))
    for key, game in scores.groupby(PAIR, sort=False):
        game = game.assign(victim=game.groupby(VICTIM, sort=True).ngroup())
        task = game["task"].iloc[0]
        aside = [*settings.references.get(task, ()), *settings.white_box.get(task, ())]
        yield key, game, _cells(game) | _best(game[~game["adversary"].isin(aside)])


def _families(frame: pd.DataFrame, settings: Table) -> np.ndarray:
    """Return the family of tests of each row (n,): primary, what claim C6 asks, secondary, or None for a reference line, which
    claims nothing of a defence."""
    asked = (frame["adversary"] == BEST) & (frame["knowledge"] == "informed")
    primary = asked.to_numpy() & frame.index.isin(by_group(plain(frame)).index)
    primary &= ~_among(frame, "defence", settings.searched)
    line = _among(frame, "adversary", settings.references)
    found = np.where(primary, PRIMARY, SECONDARY).astype(object)
    found[line] = None
    return found


def _among(frame: pd.DataFrame, column: str, names: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Return whether a row's value (n,) is one of its task's names."""
    wanted = {(task, name) for task, some in names.items() for name in some}
    return np.array([key in wanted for key in zip(frame["task"], frame[column], strict=True)], dtype=bool)


def _judge(frame: pd.DataFrame, other: str, *, searched: np.ndarray) -> None:
    """Fill in the corrected p values of the differences to `other`, their verdicts and the reasons, family by family.

    searched: (n,) bool, whether a row's difference would say what the EO term does by models whose lambda was searched.
    """
    for name in (f"p_vs_{other}", f"p_equal_vs_{other}"):
        frame[f"{name}_holm"] = np.nan
        for _, part in frame.groupby("family", sort=False):
            frame.loc[part.index, f"{name}_holm"] = intervals.holm(part[name].to_numpy(dtype=float))
    columns = (f"found_{other}", f"p_vs_{other}_holm", f"p_equal_vs_{other}_holm", "family")
    judged = [
        verdicts.change(found.against._replace(p=p), equal=equal, told=found.told, same=found.same, searched=chosen)
        if found and family
        else None
        for found, p, equal, family, chosen in zip(*(frame[name] for name in columns), searched, strict=True)
    ]
    frame[f"verdict_vs_{other}"] = [one.word if one else None for one in judged]
    frame[f"reason_vs_{other}"] = [(one.reason or None) if one else None for one in judged]


def _cells(game: pd.DataFrame) -> Cells:
    """Return the cells of one game, in the order of their first verdicts."""
    found = {}
    for key, part in game.groupby(["defence", *ADVERSARY], sort=False):
        order = np.argsort(part["victim"].to_numpy(), kind="stable")
        found[key] = Cell(*(part[name].to_numpy()[order] for name in Cell._fields))
    return found


def _best(game: pd.DataFrame) -> Cells:
    """Return the verdicts of the pseudo-adversary `best`: for each half of the splits, the attack that did best on the other half.

    Choosing on the victims one reports would add optimism; choosing on others does not. Reference lines (such as
    `ceiling`) and attacks that see more than answers are no candidates: the caller leaves them out.
    """
    found: Cells = {}
    own = str(game["model"].iloc[0]) if len(game) else ""
    game = game[game["shadow_model"] == own]
    for (defence, repeats), part in game.groupby(["defence", "repeats"], sort=False):
        levels = [level for level in ("informed", "aware", "unaware") if (part["knowledge"] == level).any()]
        for level in levels or ["any"]:
            chosen = part[part["knowledge"].isin([level, "any"])]
            victim, first, column = np.unique(chosen["victim"].to_numpy(), return_index=True, return_inverse=True)
            row, names = pd.factorize(chosen["adversary"], sort=True)
            wide = {name: np.full((len(names), len(victim)), np.nan) for name in ("correct", "score", "guess")}
            for name, values in wide.items():
                values[row, column] = chosen[name].to_numpy()
            split, world = (chosen[name].to_numpy()[first] for name in ("split", "world"))
            best = leakage.cross_fitted_best(dict(zip(names, wide["correct"], strict=True)), split, world=world)
            at = (best.adversary, np.arange(len(victim)))
            found[defence, BEST, "any", level, own, repeats] = Cell(
                victim, split, world, wide["score"][at], wide["guess"][at].astype(int), best.correct
            )
    return found


class Difference(NamedTuple):
    """A paired difference in accuracy with its p value, not corrected; that of the test of equivalence; how victims and splits vary;
    whether both defences gave the same models; whether either accuracy differs from chance."""

    against: verdicts.Found
    equal: float
    spread: paired.Spread
    same: bool
    told: bool


def _game(
    game: pd.DataFrame,
    cells: Cells,
    controls: Mapping[str, str],
    models: Victims,
    margin: float,
    without_models: Sequence[str],
) -> list[dict[str, Any]]:
    """Return the rows of one game. without_models: adversaries that see nothing of a victim."""
    known = game[game["defence"] == "none"].dropna(subset="known_ceiling")
    ceiling = known.groupby("split")["known_ceiling"].first().mean() if len(known) else np.nan
    pair = {name: game[name].iloc[0] for name in PAIR}
    victims = game.drop_duplicates("victim")
    found = {key: summary(cell, pair, key[1]) for key, cell in cells.items()}
    told = {key: one["against_chance"] in (verdicts.ABOVE, verdicts.BELOW) for key, one in found.items()}

    @functools.cache
    def same(defence: str, name: str) -> bool:
        idle = name != "none" and models.idle([defence, name])
        return idle or (models.equal(defence, name) and _same_scores(cells, defence, name))

    rows = []
    for key, cell in cells.items():
        defence, adversary = key[0], key[1:]
        blind = adversary[0] in without_models  # it sees the training rows, whatever became of the model
        row = {
            **pair, "defence": defence, **dict(zip(ADVERSARY, adversary, strict=True)), **found[key],
            "known_ceiling": ceiling if defence == "none" else np.nan,
            "diverged": 0 if blind else np.isin(cell.victim, numbers(victims, models.diverged(defence))).sum(),
        }  # fmt: skip
        for other, name in zip(OTHERS, ("none" if defence != "none" else None, controls.get(defence)), strict=True):
            there = _key(cells, name, adversary)
            if there is None or name is None:
                row |= {f"found_{other}": None}
                continue
            lost = numbers(victims, [] if blind else models.diverged(defence, name))
            one = _difference(
                cell, cells[there], lost, same=same(defence, name), told=told[key] or told[there],
                margin=margin, inflation=_inflation(adversary[0]),
            )  # fmt: skip
            row |= _shown(one, other)
        rows.append(row)
    return rows


def _shown(one: Difference, other: str) -> dict[str, Any]:
    """Return the columns of a difference to `other`, and the difference itself for the verdict."""
    return {
        f"found_{other}": one,
        f"p_vs_{other}": one.against.p,
        f"p_equal_vs_{other}": one.equal,
        f"difference_vs_{other}": one.against.value,
        f"difference_vs_{other}_low": one.against.low,
        f"difference_vs_{other}_high": one.against.high,
        f"sd_vs_{other}": one.spread.within,
        f"between_vs_{other}": one.spread.between,
    }


def _same_scores(cells: Cells, defence: str, other: str) -> bool:
    """Return whether every attack's score of every victim is the same under both defences, to the last bit; False without any.

    `aware` shadows have a defence's default settings, so that victims that are equal may get other scores: they say nothing here.
    """
    compared = [
        (mine, cells[there] if (there := _key(cells, other, key[1:])) else None)
        for key, mine in cells.items()
        if key[0] == defence and key[3] != "aware"
    ]
    return bool(compared) and all(
        theirs is not None and np.array_equal(mine.victim, theirs.victim) and np.array_equal(mine.score, theirs.score)
        for mine, theirs in compared
    )


def _key(cells: Cells, defence: str | None, adversary: Adversary) -> tuple[str, str, str, str, str, int] | None:
    """Return where the same adversary's cell under another defence is.

    Undefended victims have `informed` alone, which stands for every level; so does a defence for `aware` where its settings
    are the default ones. Victims that do not answer at random are asked once.
    """
    if defence is None:
        return None
    name, access, knowledge, shadow_model, repeats = adversary
    keys = [(defence, name, access, k, shadow_model, r) for r in (repeats, 1) for k in (knowledge, "informed")]
    return next((key for key in keys if key in cells), None)


def _difference(
    cell: Cell, other: Cell, lost: np.ndarray, *, same: bool, told: bool, margin: float, inflation: float
) -> Difference:
    """Return the paired difference over the victims that are not lost, those that diverged; without limits or tests if `same`."""
    victims, mine, theirs = np.intersect1d(cell.victim, other.victim, assume_unique=True, return_indices=True)
    kept = ~np.isin(victims, lost)
    split, values = cell.split[mine][kept], (cell.correct[mine][kept], other.correct[theirs][kept])
    found = intervals.paired_test(*values, split, inflation=inflation)
    equal = intervals.equivalence(*values, split, margin=margin, inflation=inflation)
    spread = paired.spread(values[0] - values[1], split)
    spread = paired.Spread(*(inflation**0.5 * sd for sd in spread))  # as the tests count it
    if same and kept.any():
        found, equal = intervals.UNKNOWN._replace(value=found.value), np.nan
        spread = paired.Spread(np.nan, np.nan)
    counts = {"models": len(split), "splits": np.unique(split).size, "diverged": int((~kept).sum())}
    return Difference(verdicts.Found(*found, **counts), equal, spread, same, told)


def _inflation(adversary: str) -> float:
    """Return the factor of the variances of an adversary's accuracy: that of one chosen in the same run is larger than its splits show."""
    return leakage.CHOSEN if adversary == BEST else 1.0


def summary(cell: Cell, pair: Mapping[str, Any], adversary: str) -> dict[str, Any]:
    """Return what a cell says by itself, by column of the table. pair: `protocol`, `ratio_0` and `ratio_1` of its game."""
    found = leakage.summarise(
        score=cell.score, guess=cell.guess, world=cell.world, split=cell.split,
        ratio_0=pair["ratio_0"], ratio_1=pair["ratio_1"], inflation=_inflation(adversary),
    )  # fmt: skip
    ratio_world = pair["protocol"] == RATIO
    row: dict[str, Any] = {name: getattr(found, name) for name in ("victims", "splits", *RATES)}
    for name in ("accuracy", "advantage", "auc"):
        estimate = getattr(found, name)
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    if adversary == BEST:  # its scores come from different attacks, on different scales
        row |= dict.fromkeys(RATES, np.nan)
    return row | {
        **{name: getattr(found, name) if ratio_world else np.nan for name in SAMPLES},
        "detectable_advantage": found.detectable_advantage,
        "abstained": found.abstained,
        "against_chance": verdicts.against_chance(
            verdicts.Found(*found.accuracy, models=found.victims, splits=found.splits), 0.5
        ),
    }
