"""The README's blocks of results, one an experiment: written from the public tables, between two markers, never typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..core import atomic, plugins
from ..core.errors import PopleakError
from ..store import parquet as store
from ..store import seal
from ..store.schema import PERMUTED
from . import attacks, findings, ratios, sensitivity, words
from . import placebo as report_placebo

NEEDED = ("models", "leakage", "bounds", "claims")
CAPTION = "Share of victims whose world was named correctly, by defence and adversary, with 95 % intervals clustered by pool split."


def markers(experiment: str) -> tuple[str, str]:
    """Return the lines between which an experiment's block stands."""
    return (
        f"<!-- results of {experiment}: begin, written by the rule readme -->",
        f"<!-- results of {experiment}: end -->",
    )


class Kind(NamedTuple):
    """What a block is about: the public tables that it needs beside NEEDED, those that are committed beside it as CSV, and the figures that are,
    with what they plot, as far as the experiment draws them; none: the main figure alone, as PNG."""

    needs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


KINDS = {
    "sensitivity": Kind(needs=("sensitivity",), kept=("sensitivity",)),
    "attacks": Kind(needs=("scores",), figures=("attacks", "poison", "forms", "kqueries", "proxies")),
    "ratios": Kind(needs=("regression", "proxies"), figures=("ratios", "regression", "confusion", "proxies")),
    "leakage": Kind(kept=("claims", "leakage")),
}
"""By the main figure of the experiment, the first of these that it draws."""


def main_figure(figures: Iterable[str]) -> str:
    """Return the name of the figure that a block is about. Raises PopleakError if an experiment draws none of them."""
    figures = set(figures)
    for name in KINDS:
        if name in figures:
            return name
    raise PopleakError(f"config: figures: a block of results needs one of {', '.join(KINDS)}: add it")


def write(
    *,
    title: str,
    tau: float,
    tables: Mapping[str, Path],
    cards: Sequence[Path],
    absent: Sequence[str],
    cautions: Sequence[str],
    figures: Mapping[str, Path],
    folder: Path,
    readme: Path,
) -> None:
    """Write block.md, the block's tables and figures into `folder`, and the block into `readme`, between the markers of the experiment that
    the folder is named after.

    tables: NEEDED, what the block's kind needs, and `placebo` where there is that table; figures: the PNG of each figure by name, its digest
    and what it plots (.csv) beside it; cards: the files of the stage `dataset`; absent: what the experiment left out since a
    raw file is not there; cautions: settings that cannot do what they seem to, and draws that take much of a pool. Raises PopleakError if the README lacks the markers, if a table or a figure is damaged, and if
    the tables are not of one run; nothing is written then.
    """
    whole = around(readme, *markers(folder.name))
    store.agree(tables)
    main = main_figure(figures)
    kind, placebo = KINDS[main], [name for name in PERMUTED if name in tables]
    pictures: dict[str, bytes] = {}
    for name in [one for one in kind.figures if one in figures] or [main]:
        for file in [figures[name], *([figures[name].with_suffix(".csv")] if kind.figures else [])]:
            pictures[name + file.suffix] = seal.check_by(file.with_suffix(".sha256"), file)
    frames = {name: store.read(tables[name], stage="tables").to_pandas() for name in (*NEEDED, *kind.needs, *placebo)}
    data = dict.fromkeys(store.facts(path)["card"]["title"] for path in cards)
    image = (folder / f"{main}.png").as_posix()
    found = block(
        main, title=title, tau=tau, frames=frames, data=[*data], absent=absent, cautions=cautions, image=image
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*kind.kept, *placebo):
        frames[name].to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    for name, content in pictures.items():
        atomic.write(folder / name, content)
    (folder / "block.md").write_text(found, encoding="utf-8")
    put(readme, whole, found)


def around(page: Path, begin: str, end: str) -> tuple[str, str]:
    """Return a page's text up to and with the marker `begin`, and from the marker `end` on.

    Raises PopleakError if the page lacks the markers.
    """
    text = page.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise PopleakError(f"{page}: lacks the lines {begin!r} and {end!r}: put them where the results belong")
    return text.split(begin)[0] + begin, end + text.split(end, 1)[1]


def put(page: Path, whole: tuple[str, str], block: str) -> None:
    """Write a block into a page between what `around` returned. The page changes whole or not at all."""
    atomic.write(page, f"{whole[0]}\n{block}{whole[1]}".encode())


def block(
    main: str,
    *,
    title: str,
    tau: float,
    frames: Mapping[str, pd.DataFrame],
    data: Sequence[str],
    absent: Sequence[str],
    cautions: Sequence[str],
    image: str,
) -> str:
    """Return the block in Markdown: what was found in sentences, on which data, the main figure, and a table: the verdicts by claim and
    task, or what the experiment is about."""
    leakage = frames["leakage"]
    if main == "sensitivity":  # the sentences count the verdicts, which are too many for a table
        found, shown = sensitivity.sentences(frames["sensitivity"]), ""
    elif main == "attacks":
        found, shown = attacks.findings(leakage, frames["scores"]), attacks.table(leakage)
    elif main == "ratios":
        found, shown = ratios.findings(leakage, frames["proxies"]), ratios.table(frames["regression"])
    else:
        found, shown = findings.findings(frames, tau=tau), verdicts(frames["claims"])
    found += [
        f"Data: {'; '.join(data)}.",
        *(f"Left out: {line}." for line in absent),
        *(f"Caution: {line}." for line in cautions),
        *(f"Warning. {line}" for line in report_placebo.warnings(frames)),
    ]
    said = "\n".join(f"- {sentence}" for sentence in found)
    plugin = plugins.load("figures", main)
    picture = f"![{plugin.summary[0].upper()}{plugin.summary[1:]}]({image})"
    about = f"{CAPTION}\n\n" if main == "leakage" else f"{plugin.caption}\n\n" if main == "sensitivity" else ""
    return f"**{title}**\n\n{said}\n\n{picture}\n\n{about}{shown}".rstrip() + "\n\n"


def verdicts(claims: pd.DataFrame) -> str:
    """Return a table of verdicts: a row a claim, a column a task; each cell with its 95 % interval.

    Raises PopleakError if a claim has two verdicts on one task: a cell would hide one of them.
    """
    twice = claims[claims.duplicated(["claim", "statement", "task"])]
    if len(twice):
        first = twice.iloc[0]
        raise PopleakError(
            f"the table `claims` has two verdicts of {first['claim']} on task {first['task']!r} with one statement: {first['statement']!r}"
        )
    tasks = list(dict.fromkeys(claims["task"]))
    lines = ["| | claim | " + " | ".join(tasks) + " |", "| --- " * (len(tasks) + 2) + "|"]
    for (claim, statement), rows in claims.groupby(["claim", "statement"], sort=False):
        cells = {row.task: f"{row.verdict} {words.interval(row.low, row.high)}" for row in rows.itertuples()}
        lines.append(f"| {claim} | {statement} | " + " | ".join(cells.get(task, "") for task in tasks) + " |")
    return "\n".join(lines) + "\n"
