"""Accuracy beside AUC, before a change to an adversary and after it, on the same victims.

`python benchmarks/before_after.py results/sub-pools/tables/scores.parquet --tasks whole parts` compares tasks whose names end in the one
word and in the other; `--attacks lda releases` one attack with another. A trial of both is the same victim, so the difference is paired, and its
interval is over splits. Victims that one side alone judges are left out. What an AUC would allow
is the accuracy of the threshold midway between two normal distributions of equal spread with that AUC: far below it, a threshold is not where
the victims' scores are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from scipy import special

import common
from popleak.core.errors import PopleakError
from popleak.measures import intervals, roc
from popleak.measures.leakage import correctness
from popleak.tables import leakage

TRIAL = ["split", "world", "model_index"]
Column = Literal["task", "adversary"]


def sides(scores: pd.DataFrame, column: Column, before: str, after: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of either side, with the same words in `column`. Raises PopleakError where a side has none."""
    found = []
    for word in (before, after):
        there = scores[column].astype(str)
        end = f"-{word}" if column == "task" else word
        rows = scores[there.str.endswith(end) if column == "task" else there == end].copy()
        if rows.empty:
            names = ", ".join(sorted(set(there)))
            raise PopleakError(f"{word!r}: no {column} of these scores is called so: there are {names}")
        rows[column] = rows[column].astype(str).str.removesuffix(end) if column == "task" else f"{before} to {after}"
        found.append(rows)
    return found[0], found[1]


def changes(scores: pd.DataFrame, column: Column, before: str, after: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell that both sides have, named by the columns in which cells differ: of both accuracy and AUC, and the
    difference in accuracy with its interval.

    scores: rows of the table `scores`. Raises PopleakError where a side has none.
    """
    cell = [*leakage.PAIR, "defence", "adversary", "knowledge", "shadow_model"]
    one, other = sides(scores[scores["repeats"] == scores["repeats"].min()], column, before, after)
    there = dict(iter(other.groupby(cell, observed=True, sort=False)))
    for key, rows in one.groupby(cell, observed=True, sort=False):
        if key not in there:
            continue
        both = rows.merge(there[key], on=TRIAL, suffixes=("_before", "_after"), validate="one_to_one")
        world, split = both["world"].to_numpy(), both["split"].to_numpy()
        if both.empty:
            continue
        auc = {side: roc.auc(both[f"score_{side}"].to_numpy(), world, split).value for side in ("before", "after")}
        right = {side: correctness(both[f"guess_{side}"].to_numpy(), world) for side in ("before", "after")}
        found = intervals.paired_test(right["after"], right["before"], split)
        yield {
            **dict(zip(cell, key, strict=True)), "victims": len(both),
            **{f"accuracy_{side}": values.mean() for side, values in right.items()},
            **{f"auc_{side}": value for side, value in auc.items()},
            **{f"allowed_{side}": allowed(value) for side, value in auc.items()},
            "difference": found.value, "low": found.low, "high": found.high, "p": found.p,
        }  # fmt: skip


def allowed(auc: float) -> float:
    """Return the accuracy midway between two normal distributions of equal spread that lie apart by this AUC, at least 1/2."""
    return float(special.ndtr(special.ndtri(max(auc, 0.5)) / 2**0.5))


def surely(rows: pd.DataFrame) -> tuple[int, int]:
    """Return in how many cells accuracy rises and falls after Holm's correction over all of them."""
    sure = intervals.holm(rows["p"].to_numpy()) < 0.05
    return int((sure & (rows["low"] > 0)).sum()), int((sure & (rows["high"] < 0)).sum())


def tell(rows: pd.DataFrame) -> str:
    """Return in how many cells accuracy rises and falls, by intervals and after Holm's correction, and the mean change."""
    value, (ups, downs) = 100 * rows["difference"], surely(rows)
    short = [100 * (rows[f"allowed_{side}"] - rows[f"accuracy_{side}"]).mean() for side in ("before", "after")]
    return (
        f"{len(rows)} cells: accuracy rises beyond its interval in {(rows['low'] > 0).sum()} and falls in {(rows['high'] < 0).sum()}, after "
        f"Holm's correction in {ups} and {downs}; mean change {value.mean():+.2f} points, from {value.min():+.1f} to {value.max():+.1f}; "
        f"below what its AUC would allow by {short[0]:.1f} points before, {short[1]:.1f} after"
    )


def work(scores: Path, column: Column, words: tuple[str, str], output: Path | None) -> None:
    """Print the table, or write it as CSV, and say what it comes to, attack by attack where there are several."""
    if not scores.exists():
        raise PopleakError(f"{scores}: no such file: run the experiment first, and give its table scores")
    rows = pd.DataFrame(changes(pd.read_parquet(scores), column, *words))
    if rows.empty:
        raise PopleakError(f"{scores}: no cell has both {words[0]!r} and {words[1]!r}")
    if output is None:
        print(rows.to_string(index=False, float_format="{:.3f}".format))
    else:
        rows.to_csv(output, index=False, float_format="%.6g")
    for attack, part in rows.groupby("adversary", sort=False):
        common.say(f"{attack}: {tell(part)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=Path, help="the table scores of an experiment")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--tasks", nargs=2, metavar=("BEFORE", "AFTER"), help="last words of the tasks' ids")
    which.add_argument("--attacks", nargs=2, metavar=("BEFORE", "AFTER"), help="ids of attacks")
    parser.add_argument("--output", type=Path, help="write CSV here instead of printing")
    given = parser.parse_args()
    column: Column = "task" if given.tasks else "adversary"
    return common.status(work, given.scores, column, tuple(given.tasks or given.attacks), given.output)


if __name__ == "__main__":
    raise SystemExit(main())
