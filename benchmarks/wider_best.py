"""What attacks that were added later change about `best`: `python benchmarks/wider_best.py results/NAME/tables/scores.parquet --later lda`.

From the verdicts of one experiment, `best` is chosen twice, each time with the code of the table `leakage`: among the attacks without
those named, and among all. Both are right about the same victims, so that their difference is paired, with the interval of a
difference between two `best`. A cell is a task, a pair of worlds, a defence and what the adversary knows of it. Given the files
`results/store/attack/*-budgets-*.parquet` of an experiment with `budgets`, a cell is also a number of shadows or of queries, and `best` is chosen
among the attacks that have rows with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import common
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.measures import intervals
from popleak.measures.leakage import CHOSEN
from popleak.steps.tables._adversaries import Adversaries
from popleak.tables import leakage
from popleak.tables.budgets import BUDGET

EVERYONE = Adversaries(table="leakage", references={}, white_box={})
CELL = (*leakage.PAIR, "defence", "knowledge", "repeats")


def candidates(scores: pd.DataFrame, aside: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of attacks that may be `best`: they see no more than answers, and are no reference lines.

    aside: further ids that may not. An id that is no plugin's name is an attack with settings of its own, and is judged by its access.
    """
    black = {name for name in plugins.names("access") if plugins.load("access", name).black_box}
    known = set(plugins.names("attacks")) & set(scores["adversary"])
    lines = {name for name in known if plugins.load("attacks", name).reference}
    return scores[scores["access"].isin(black) & ~scores["adversary"].isin(lines | set(aside))]


def chosen(cells: leakage.Cells, key: tuple) -> list[str]:
    """Return for each half of the splits the attack whose scores `best` has there, of equal ones the first by name."""
    best, (defence, _, _, level, model, repeats) = cells[key], key
    half = np.unique(best.split, return_inverse=True)[1] % 2
    others = {
        other[1]: cell
        for other, cell in cells.items()
        if other[1] != leakage.BEST
        and other[0] == defence
        and other[3] in (level, "any")
        and other[4:] == (model, repeats)
    }
    return [
        next(name for name in sorted(others) if np.array_equal(others[name].score[half == k], best.score[half == k]))
        for k in sorted(set(half.tolist()))
    ]


def known(scores: pd.DataFrame, later: Sequence[str]) -> None:
    """Raise PopleakError if an attack of `later` is not among the candidates."""
    if unknown := sorted(set(later) - set(scores["adversary"])):
        there = ", ".join(sorted(set(scores["adversary"])))
        raise PopleakError(
            f"--later: no candidate for best in these scores is called {unknown[0]!r}: choose from {there}"
        )


def changes(scores: pd.DataFrame, later: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a row a cell: the accuracy of `best` among the earlier attacks and among all, their difference with its interval, and which
    attack each half of the splits chose.

    scores: rows of the table `scores`, of candidates. Raises PopleakError if an attack of `later` is not among them.
    """
    known(scores, later)
    before = {key: cells for key, _, cells in leakage.games(scores[~scores["adversary"].isin(later)], EVERYONE)}
    for game, _, cells in leakage.games(scores, EVERYONE):
        for key, wide in cells.items():
            narrow = before.get(game, {}).get(key)
            if key[1] != leakage.BEST or narrow is None:
                continue
            found = intervals.paired_test(wide.correct, narrow.correct, wide.split, inflation=CHOSEN)
            yield {
                **dict(zip(leakage.PAIR, game, strict=True)), "defence": key[0], "knowledge": key[3], "repeats": key[5],
                "earlier": narrow.correct.mean(), "all": wide.correct.mean(),
                "difference": found.value, "low": found.low, "high": found.high,
                "chosen_earlier": " ".join(chosen(before[game], key)), "chosen": " ".join(chosen(cells, key)),
            }  # fmt: skip


def by_budget(scores: pd.DataFrame, later: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `changes`, budget by budget where the verdicts have one. Raises PopleakError as `changes` does."""
    known(scores, later)
    if BUDGET[0] not in scores:
        yield from changes(scores, later)
        return
    for budget, mine in scores.groupby(BUDGET, sort=True):
        there = [name for name in later if name in set(mine["adversary"])]
        for row in changes(mine, there) if there else ():
            yield {**dict(zip(BUDGET, budget, strict=True)), **row}


def tell(rows: pd.DataFrame) -> str:
    """Return the number of cells in which `best` rises and falls, and the mean and the extremes of its change."""
    value = 100 * rows["difference"]
    return (
        f"{len(rows)} cells: best rises beyond its interval in {(rows['low'] > 0).sum()} and falls in {(rows['high'] < 0).sum()}; "
        f"mean change {value.mean():+.2f} points of accuracy, from {value.min():+.1f} to {value.max():+.1f}"
    )


def work(scores: Sequence[Path], later: Sequence[str], aside: Sequence[str], output: Path | None) -> None:
    """Print the table, or write it as CSV, and say what it comes to, budget by budget."""
    for path in scores:
        if not path.exists():
            raise PopleakError(f"{path}: no such file: run the experiment first, and give its table scores")
    rows = pd.DataFrame(
        by_budget(candidates(pd.concat([pd.read_parquet(path) for path in scores], ignore_index=True), aside), later)
    )
    if output is None:
        print(rows.to_string(index=False, float_format="{:.3f}".format))
    else:
        rows.to_csv(output, index=False, float_format="%.6g")
    for budget, part in rows.groupby(BUDGET, sort=True) if BUDGET[0] in rows else [(None, rows)]:
        what = (
            ""
            if budget is None
            else " ".join(f"{name} {value}" for name, value in zip(BUDGET, budget, strict=True) if value)
        )
        common.say(f"{what}: {tell(part)}" if what else tell(part))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "scores", type=Path, nargs="+", help="the table scores of an experiment, or its verdicts by budget"
    )
    parser.add_argument("--later", nargs="+", required=True, help="ids of the attacks that were added")
    parser.add_argument(
        "--aside", nargs="*", default=[], help="ids of attacks that are no candidates, beside the usual ones"
    )
    parser.add_argument("--output", type=Path, help="write CSV here instead of printing")
    given = parser.parse_args()
    return common.status(work, given.scores, given.later, given.aside, given.output)


if __name__ == "__main__":
    raise SystemExit(main())
