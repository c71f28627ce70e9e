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
from report import FOLDER, grid, linked, section

BEGIN, END = "<!-- defences: begin, written by benchmarks/defences_page.py -->", "<!-- defences: end -->"
PAGE = Path("docs/defences.md")
WORDS = ("holds", "fails", "no material difference", "cannot tell", "not applicable")


def use(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the sentences on what to use when, which `report/practice.py` makes of the table `defences` alone."""
    return "\n".join(f"- {sentence}" for sentence in practice.sentences(tables["defences/defences.csv"])) + "\n"


MEANT = {
    "C6": "an EO defence lowers the best informed adversary's advantage below that against its control without the EO term; intervals: of that change",
    "C9": "no adversary exceeds the advantage that is certified; intervals: of the share of models that the best one names",
}


def claims(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return for each task how the verdicts on C6 and on C9 fall, over defences and pairs of worlds, and which hold and which fail."""
    table, rows, said = tables["defences/claims.csv"], [], []
    for claim, meaning in MEANT.items():
        part = table[table["claim"] == claim]
        for task, mine in part.groupby("task", sort=False):
            rows.append([claim, task, len(mine), *((mine["verdict"] == word).sum() or "" for word in WORDS)])
        said.append(f"{claim}: {meaning}.")
        for word in ("fails", "holds"):
            which = [
                f"{row.defence} on {row.task} ({worlds(row)}{': ' if worlds(row) else ''}{words.interval(row.low, row.high)})"
                for row in part[part["verdict"] == word].itertuples()
            ]
            said.append(f"{claim} {word} for {words.listed(which)}." if which else f"{claim} {word} nowhere.")
        open_ = (part["verdict"] == "cannot tell").sum()
        if open_:
            wide = (part["high"] - part["low"])[part["verdict"] == "cannot tell"].median()
            said.append(
                f"{claim} is open in {open_} of {len(part)} verdicts: half of their intervals are at least {wide:.2f} wide."
                + (" That is no doubt about a theorem: so few victims cannot confirm it." if claim == "C9" else "")
            )
    header = ["claim", "task", "verdicts", *WORDS]
    return grid(header, rows) + "\n" + "\n".join(f"- {line}" for line in said) + "\n"


def worlds(row) -> str:
    """Return a row's pair of worlds; nothing for a verdict on several."""
    return "" if pd.isna(row.ratio_0) else select.Pair(row.protocol, row.ratio_0, row.ratio_1).label


def beyond(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return what was chosen by the search and what it came to elsewhere, one row a task, pair of worlds and defence."""
    found = tables["benchmarks/frontier.csv"]
    rows = []
    for row in found.sort_values(
        ["f", "protocol", "public", "access", "chosen", "defence", "table"], ascending=[True] * 4 + [False, True, True]
    ).itertuples():
        certified = "" if pd.isna(row.certified_advantage) else words.number(row.certified_advantage, 2)
        rows.append([
            f"1 : {row.f}", row.table, worlds(row), f"`{row.defence}`", "public rows" if row.public else row.access, "chosen" if row.chosen else "",
            f"{100 * row.accuracy_vs_none:+.2f} ({100 * row.accuracy_vs_none_low:.2f} to {100 * row.accuracy_vs_none_high:.2f})",
            f"{100 * row.constant:.0f}", f"{row.informed_advantage:.2f} ({row.informed_advantage_low_all:.2f} to {row.informed_advantage_high_all:.2f})",
            certified, row.kept, row.hidden,
        ])  # fmt: skip
    header = [
        "F : base", "table", "worlds", "defence", "needs", "by the search", "accuracy, points", "constant, %", "best informed advantage", "certified",
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
    """Return the CPU seconds of DP-SGD beside Opacus, and what its models keep and give away at each epsilon, beside undefended ones."""
    seconds = tables["benchmarks/dp_sgd.csv"].groupby("way")["cpu_seconds"].median()
    table = tables["defences/defences.csv"]
    table = table[
        (table["defence"].str.startswith("dp-sgd") | (table["defence"] == "none"))
        & (table["ratio_0"] != table["ratio_1"])
    ]
    ran = table.groupby("task")["defence"].transform(lambda names: names.str.startswith("dp-sgd").any())
    rows = [
        [
            select.Pair(*pair).label, f"`{defence}`", span(part["accuracy_vs_none"], 100, "+.1f"), span(part["constant"], 100, ".0f"),
            span(part["informed_advantage"], 1, ".2f"), span(part["membership_auc"], 1, ".3f"),
        ]
        for (*pair, defence), part in table[ran].groupby([*select.PAIR, "defence"], sort=False)
    ]  # fmt: skip
    header = [
        "worlds",
        "defence",
        "accuracy, points against none",
        "constant, %",
        "best informed advantage",
        "membership AUC",
    ]
    noisy = table[ran & (table["defence"] != "none")]
    more = noisy[noisy["difference_vs_none_low"] > 0]
    places = [
        f"{task} ({select.Pair(*pair).label}) under {len(part)}"
        for (task, *pair), part in more.groupby(["task", *select.PAIR], sort=False)
    ]
    raised = (
        f"In {len(more)} of {len(noisy)} cases the adversary's advantage is shown to be larger than without a defence"
        + (f": on {words.listed(places)} of {noisy['defence'].nunique()}." if places else ".")
    )
    return (
        f"On a made-up table and an MLP of 32 and 16 units the engine takes {seconds['engine']:.3f} CPU seconds a model, Opacus as in its tutorials "
        f"{seconds['opacus']:.2f} ({seconds['opacus'] / seconds['engine']:.0f} times as many), and with a lighter loader {seconds['opacus-careful']:.2f} "
        f"({seconds['opacus-careful'] / seconds['engine']:.0f} times): medians, [dp_sgd.csv](results/benchmarks/dp_sgd.csv), [performance](performance.md). "
        f"The models of the experiment, lowest to highest over its tasks (constant: share of models that give every record one label):\n\n{grid(header, rows)}\n{raised}"
    )


def span(values: pd.Series, scale: float, form: str) -> str:
    if values.isna().all():
        return ""
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
        paths = {name: results / name for name in names}

        def made(make=make, paths=paths) -> str:
            tables = {name: pd.read_csv(path) for name, path in paths.items()}
            return f"{make(tables).rstrip()}\n\nFrom {linked([*paths.values()], results)}."

        text += section(title, [*paths.values()], made)
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
