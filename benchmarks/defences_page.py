"""Writes what the defences cost and what they leave to adversaries into docs/defences.md, between its markers: `python benchmarks/defences_page.py`.

The tables are those of the experiments `defences` and `frontier` in docs/results, and those of `frontier.py`, `fine_tuning_ratio.py` and
`dp_sgd.py` in docs/results/benchmarks. No number is typed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

import common
import frontier
from popleak.figures import _select as select
from popleak.report import practice, readme, words
from report import FOLDER, grid

BEGIN, END = "<!-- defences: begin, written by benchmarks/defences_page.py -->", "<!-- defences: end -->"
PAGE = Path("docs/defences.md")
WORDS = ("holds", "fails", "no material difference", "cannot tell", "not applicable")


def use(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the sentences on what to use when, which `report/practice.py` makes of the table `defences` alone."""
    return "\n".join(f"- {sentence}" for sentence in practice.sentences(tables["defences/defences.csv"])) + "\n"


def claims(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return for each task how the verdicts on C6 and on C9 fall, over defences and pairs of worlds, and which do not hold."""
    table = tables["defences/claims.csv"]
    rows, said = [], []
    for claim in ("C6", "C9"):
        part = table[table["claim"] == claim]
        for task, mine in part.groupby("task", sort=False):
            rows.append([claim, task, len(mine), *((mine["verdict"] == word).sum() or "" for word in WORDS)])
        broken = part[part["verdict"] == "fails"]
        which = [
            f"{row.defence} on {row.task} ({worlds(row)}: {words.interval(row.low, row.high)})"
            for row in broken.itertuples()
        ]
        said.append(f"{claim} fails for {words.listed(which)}." if which else f"{claim} fails nowhere.")
    header = ["claim", "task", "verdicts", *WORDS]
    return grid(header, rows) + "\n" + "\n".join(f"- {line}" for line in said) + "\n"


def worlds(row) -> str:
    return select.Pair(row.protocol, row.ratio_0, row.ratio_1).label


def beyond(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return what was chosen by the search and what it came to elsewhere, one row a task, pair of worlds and defence."""
    found = tables["benchmarks/frontier.csv"]
    rows = []
    for row in found.sort_values(["f", "protocol", "defence", "table"]).itertuples():
        certified = "" if pd.isna(row.certified_advantage) else words.number(row.certified_advantage, 2)
        rows.append([
            f"1 : {row.f}", row.table, worlds(row), f"`{row.defence}`", row.access,
            f"{100 * row.accuracy_vs_none:+.1f} ({100 * row.accuracy_vs_none_low:.1f} to {100 * row.accuracy_vs_none_high:.1f})",
            f"{row.informed_advantage:.2f} ({row.informed_advantage_low:.2f} to {row.informed_advantage_high:.2f})",
            certified, row.kept, row.hidden,
        ])  # fmt: skip
    header = [
        "F : base", "table", "worlds", "defence", "access", "accuracy, points", "best informed advantage", "certified",
        "accuracy kept", "world hidden",
    ]  # fmt: skip
    lines = "\n".join(f"- {line}." for line in frontier.tell(found))
    return f"{lines}\n\n{grid(header, rows)}"


def instead(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return how often an adversary names the share of rehearsed rows of a released model."""
    table = tables["benchmarks/fine_tuning_ratio.csv"]
    table = table.assign(
        question=table["question"].replace(
            {"all": "which of four shares", "pair": "which of two neighbours", "equal": "two copies of one (null)"}
        )
    )
    rows = []
    for (defence, question), part in table.groupby(["defence", "question"], sort=False):
        means = part.groupby("adversary")["accuracy"].mean()
        best = part[part["adversary"] == means.idxmax()]
        rows.append([
            f"`{defence}`", question, len(best), f"`{means.idxmax()}`", f"{100 * part['chance'].iloc[0]:.0f}",
            f"{100 * best['accuracy'].mean():.1f} ({100 * best['accuracy'].min():.1f} to {100 * best['accuracy'].max():.1f})",
            f"{(best['low'] > best['chance']).sum()} of {len(best)}",
        ])  # fmt: skip
    header = [
        "defence",
        "question",
        "cells",
        "most accurate attack",
        "chance, %",
        "accuracy, %: mean (cells)",
        "interval above chance",
    ]
    return grid(header, rows)


def private(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the CPU seconds of DP-SGD beside Opacus, and what its models keep and give away at each epsilon."""
    seconds = tables["benchmarks/dp_sgd.csv"].groupby("way")["cpu_seconds"].median()
    table = tables["defences/defences.csv"]
    table = table[table["defence"].str.startswith("dp-sgd") & (table["ratio_0"] != table["ratio_1"])]
    rows = [
        [
            f"`{defence}`", span(part["accuracy_vs_none"], 100, "+.1f"), span(part["informed_advantage"], 1, ".2f"),
            span(part["membership_auc"], 1, ".3f"),
        ]
        for defence, part in table.groupby("defence", sort=False)
    ]  # fmt: skip
    header = ["defence", "accuracy, points against none", "best informed advantage", "membership AUC"]
    return (
        f"A model takes {seconds['engine']:.3f} CPU seconds here and {seconds['opacus']:.2f} with Opacus "
        f"({seconds['opacus'] / seconds['engine']:.0f} times as many; medians, [dp_sgd.csv](results/benchmarks/dp_sgd.csv)). "
        f"From and to over tasks and pairs of worlds:\n\n{grid(header, rows)}"
    )


def span(values: pd.Series, scale: float, form: str) -> str:
    return f"{scale * values.min():{form}} to {scale * values.max():{form}}"


PARTS: Mapping[str, tuple[Callable[[Mapping[str, pd.DataFrame]], str], tuple[str, ...]]] = {
    "What to use when": (use, ("defences/defences.csv",)),
    "C6 and C9, task by task": (claims, ("defences/claims.csv",)),
    "A step after training that keeps the accuracy and hides the world": (beyond, ("benchmarks/frontier.csv",)),
    "What a defence leaks instead": (instead, ("benchmarks/fine_tuning_ratio.csv",)),
    "DP-SGD": (private, ("benchmarks/dp_sgd.csv", "defences/defences.csv")),
}
"""By title: what makes a part, and the tables it needs, within docs/results."""


def block(results: Path) -> str:
    """Return the block in Markdown; a part without its tables says so."""
    text = ""
    for title, (make, names) in PARTS.items():
        paths = [results / name for name in names]
        text += f"### {title}\n\n"
        if not all(path.exists() for path in paths):
            text += "Not measured yet.\n\n"
            continue
        files = ", ".join(f"[{path.name}](results/{name})" for path, name in zip(paths, names, strict=True))
        tables = {name: pd.read_csv(path) for name, path in zip(names, paths, strict=True)}
        text += f"{make(tables).rstrip()}\n\nFrom {files}.\n\n"
    return text


def write(results: Path, page: Path) -> None:
    """Write the block into `page`. Raises PopleakError if it lacks the markers."""
    readme.put(page, readme.around(page, BEGIN, END), block(results))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=FOLDER.parent, help="where the tables are")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    return common.status(write, given.results, given.page)


if __name__ == "__main__":
    sys.exit(main())
