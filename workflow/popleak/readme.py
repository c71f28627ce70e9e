"""The README's blocks of results, one an experiment: written from the public tables, between two markers, never typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from . import atomic, plugins, report_placebo, report_text, seal, sensitivity_text, store
from .errors import PopleakError
from .schema import PERMUTED, SWEPT

NEEDED = ("models", "leakage", "bounds", "claims")
KEPT = ("claims", "leakage")
"""Tables that are committed beside a block; of an experiment that sweeps settings SWEPT alone, which holds what the block says."""
CAPTION = "Share of victims whose world was named correctly, by defence and adversary, with 95 % intervals clustered by pool split."


def markers(experiment: str) -> tuple[str, str]:
    """Return the lines between which an experiment's block stands."""
    return (
        f"<!-- results of {experiment}: begin, written by the rule readme -->",
        f"<!-- results of {experiment}: end -->",
    )


def write(
    *,
    title: str,
    tau: float,
    tables: Mapping[str, Path],
    cards: Sequence[Path],
    absent: Sequence[str],
    figure: Path,
    folder: Path,
    readme: Path,
) -> None:
    """Write block.md, the block's tables as CSV and its figure into `folder`, and the block into `readme`, between the markers of
    the experiment that the folder is named after.

    tables: NEEDED, and `sensitivity` where the experiment sweeps settings: the block is then on these; figure: the PNG, its digest
    beside it, of the figure `sensitivity` then, else of `leakage`; cards: the files of the stage `dataset`; absent: what the experiment left out since a
    raw file is not there. Raises PopleakError if the README lacks the markers, if a table or the figure is damaged, and if
    the tables are not of one run; nothing is written then.
    """
    whole = around(readme, *markers(folder.name))
    store.agree(tables)
    picture = seal.check_by(figure.with_suffix(".sha256"), figure)
    swept = [name for name in SWEPT if name in tables]
    named = [name for name in (*NEEDED, *PERMUTED, *swept) if name in tables]
    frames = {name: store.read(tables[name], stage="tables").to_pandas() for name in named}
    image = folder / f"{swept[0] if swept else 'leakage'}.png"
    data = dict.fromkeys(store.facts(path)["card"]["title"] for path in cards)
    found = block(title=title, tau=tau, frames=frames, data=[*data], absent=absent, image=image.as_posix())
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*(swept or KEPT), *(name for name in PERMUTED if name in frames)):
        frames[name].to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    atomic.write(image, picture)
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
    *,
    title: str,
    tau: float,
    frames: Mapping[str, pd.DataFrame],
    data: Sequence[str],
    absent: Sequence[str],
    image: str,
) -> str:
    """Return the block in Markdown: what was found in sentences, on which data, the figure, and the verdicts by claim and task; of an
    experiment that sweeps settings the sentences count the verdicts, which are too many for a table."""
    swept = frames.get("sensitivity")
    found = [
        *(report_text.findings(frames, tau=tau) if swept is None else sensitivity_text.sentences(swept)),
        f"Data: {'; '.join(data)}.",
        *(f"Left out: {line}." for line in absent),
        *(f"Warning. {line}" for line in report_placebo.warnings(frames)),
    ]
    said = "\n".join(f"- {sentence}" for sentence in found)
    if swept is None:
        shown = f"![Leakage by defence and adversary]({image})\n\n{CAPTION}\n\n{verdicts(frames['claims'])}"
    else:
        plugin = plugins.load("figures", "sensitivity")
        shown = f"![{plugin.summary[0].upper()}{plugin.summary[1:]}]({image})\n\n{plugin.caption}\n"
    return f"**{title}**\n\n{said}\n\n{shown}\n"


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
        cells = {row.task: f"{row.verdict} {report_text.interval(row.low, row.high)}" for row in rows.itertuples()}
        lines.append(f"| {claim} | {statement} | " + " | ".join(cells.get(task, "") for task in tasks) + " |")
    return "\n".join(lines) + "\n"
