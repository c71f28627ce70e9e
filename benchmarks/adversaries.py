"""Writes what stronger adversaries gained into docs/adversaries.md, between its markers: `python benchmarks/adversaries.py`.

The tables are those that `wider_best.py` and `before_after.py` wrote into docs/results/benchmarks (`PARTS` names them). No number is typed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import before_after
import common
import wider_best
from popleak.report import readme
from report import FOLDER, grid, linked, section

BEGIN, END = "<!-- adversaries: begin, written by benchmarks/adversaries.py -->", "<!-- adversaries: end -->"
PAGE = Path("docs/adversaries.md")

PARTS: dict[str, tuple[str, tuple[str, ...], Sequence[str]]] = {
    "Later attacks, on every cell of `tables`": ("best", ("protocol", "defence"), ("wider_best",)),
    "Later attacks, by the number of shadows or queries": (
        "best",
        ("shadows", "queries", "ask"),
        ("wider_best_budgets",),
    ),
    "Shadows from one pool and from five parts of it": ("threshold", ("adversary",), ("sub_pools",)),
    "Leaving level and slope aside, where the adversary's data come from elsewhere": (
        "threshold",
        ("task", "adversary"),
        ("elsewhere_lda", "elsewhere_lira_point"),
    ),
    "Three releases of one owner, beside one": ("threshold", ("protocol", "defence"), ("releases",)),
}
"""By title: whether `best` or an attack's threshold changed, the columns by which cells are put together, and the tables (.csv)."""
NAMES = {
    "best": ("earlier", "all"),
    "threshold": ("accuracy_before", "accuracy_after"),
}


def summary(frame: pd.DataFrame, kind: str, by: Sequence[str]) -> str:
    """Return a table with a row for each group of cells: mean accuracy before and after, mean change and its extremes in points, and in how many
    cells the change lies beyond its interval, upwards and downwards. With an AUC also what it would allow."""
    before, after = NAMES[kind]
    rows = []
    for key, mine in frame.groupby(list(by), sort=False, observed=True):
        change = 100 * mine["difference"]
        allowed = [
            f"{100 * (mine[f'allowed_{side}'] - mine[f'accuracy_{side}']).mean():+.1f}" for side in ("before", "after")
        ] if kind == "threshold" else []  # fmt: skip
        rows.append([
            *(f"`{one}`" if isinstance(one, str) and one else one or "all" for one in key), len(mine),
            f"{100 * mine[before].mean():.1f}", f"{100 * mine[after].mean():.1f}",
            f"{change.mean():+.2f} ({change.min():+.1f} to {change.max():+.1f})",
            (mine["low"] > 0).sum(), (mine["high"] < 0).sum(), *allowed,
        ])  # fmt: skip
    header = [*by, "cells", "accuracy before, %", "after, %", "change, points", "rises", "falls"]
    if kind == "threshold":
        header += ["short of its AUC before, points", "after"]
    return grid(header, rows)


def said(frame: pd.DataFrame, kind: str) -> str:
    """Return one sentence on all cells."""
    if kind == "best":
        return f"All: {wider_best.tell(frame)}."
    ups, downs = before_after.surely(frame)
    return (
        f"All: mean change {100 * frame['difference'].mean():+.2f} points of accuracy in {len(frame)} cells; after Holm's correction it rises in "
        f"{ups} and falls in {downs}."
    )


def block(folder: Path) -> str:
    """Return the block in Markdown from the tables in `folder`; a part without its tables says so."""
    text = ""
    for title, (kind, by, names) in PARTS.items():
        paths = [folder / f"{name}.csv" for name in names]

        def made(kind=kind, by=by, paths=paths) -> str:
            frame = pd.concat([pd.read_csv(path, keep_default_na=False) for path in paths], ignore_index=True)
            return f"{summary(frame, kind, by)}\n{said(frame, kind)} Cell by cell: {linked(paths, folder.parent)}."

        text += section(title, paths, made)
    return text


def write(folder: Path, page: Path) -> None:
    """Write the block into `page`. Raises PopleakError if it lacks the markers."""
    readme.put(page, readme.around(page, BEGIN, END), block(folder))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the tables are")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    return common.status(write, given.folder, given.page)


if __name__ == "__main__":
    sys.exit(main())
