"""The report's tables as files for a paper: CSV of each, and LaTeX of the rows and columns that a paper shows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import inert
from ..figures import _select as select
from ..figures import summary as overview
from ..measures import verdicts
from ..steps.report import papers_of
from . import words

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "\u2013"
"""How the report shows what is not known; an empty cell in CSV."""
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\u00a0": "~", "\u2013": "--", "\u2212": "$-$", "\u2248": r"$\approx$", "\u0394": r"$\Delta$", "\u03c4": r"$\tau$",
}  # fmt: skip
ABOUT = {
    "summary": "Best informed accuracy, Delta_EO, accuracy of the models and its cost in points, with 95 % intervals, by task and defence.",
    "verdicts": "Verdicts on each claim, by task.",
    "leakage": "Share of models whose world the best informed adversary names, and verdicts, by task, pair of worlds and defence.",
    "models": "Means of the victims that did not diverge, by task, pair of worlds, defence and world.",
    "bounds": "Share of models for which the bootstrap does not contradict each form of the bound.",
    "placebo": "Accuracy against undefended models with the group column permuted: all permutations of a task.",
}
KEPT: Mapping[str, Mapping[str, str]] = {
    "leakage": {"adversary": "best", "knowledge": "informed"},
    "placebo": {"permutation": "all"},
}
"""The rows that LaTeX keeps of a long table, by the texts of columns, which it then leaves out."""
DROPPED = {
    "leakage": (
        "access", "advantage", "AUC", "TPR at 5 %", "TPR at 1 %", "p equal to control", "p equal to none", "n leaked", "detectable",
        "abstained", "ceiling", "diverged", "tests",
    ),
    "placebo": ("against chance",),
}  # fmt: skip
"""Further columns that it leaves out: with them the table would be wider than a page."""
WIDE = 9
"""Columns of verdicts that a page holds."""
PAGE = 45
"""Rows that a page holds; a longer table runs over pages."""


def files(frames: Mapping[str, pd.DataFrame], shown: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the text of each of `steps.report.papers_of`. shown: the report's long tables by id, with columns and rows of texts."""
    tables = {"summary": _summary(frames), "verdicts": _turned(*_verdicts(frames["claims"]))}
    # a column of a CSV file that holds numbers holds nothing else, such as `<0.001`
    numbers = tables | {name: _texts(table, "text") for name, table in shown.items()}
    printed = tables | {name: _texts(table, "shown") for name, table in shown.items()}
    found = {}
    for file in papers_of(shown):
        name, _, ending = file.partition(".")
        found[file] = (
            as_csv(*numbers[name]) if ending == "csv" else as_latex(*_narrow(name, *printed[name]), about=ABOUT[name])
        )
    return found


def _texts(table: Mapping[str, Any], which: str) -> tuple[list[str], list[list[str]]]:
    """Return the titles and texts of a long table. which: `shown`, as the report shows them, or `text`, numbers as numbers."""
    titles = [column["title"] for column in table["columns"]]
    return titles, [[one.get(which, one["text"]) for one in row] for row in table["rows"]]


def _narrow(
    name: str, titles: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the titles and rows of a table that a page is wide enough for (`KEPT`, `DROPPED`)."""
    wanted = {titles.index(title): text for title, text in KEPT.get(name, {}).items()}
    rows = [row for row in rows if all(row[place] == text for place, text in wanted.items())]
    places = [place for place, title in enumerate(titles) if place not in wanted and title not in DROPPED.get(name, ())]
    return [titles[place] for place in places], [[row[place] for place in places] for row in rows]


def as_csv(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as CSV: numbers rounded as the report shows them, what is not known empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(inert.cell, titles))
    writer.writerows(
        [["" if text == UNKNOWN else inert.cell(text.replace("\u00a0", " ")) for text in row] for row in rows]
    )
    return out.getvalue()


def as_latex(titles: Sequence[str], rows: Sequence[Sequence[str]], *, about: str) -> str:
    """Return a table as LaTeX with the rules of booktabs; a first cell like the one above it is left blank. A table of more than `PAGE` rows
    runs over pages, each with the titles.

    Every text is escaped, so that a task's name cannot break the table or run a command.
    """
    kinds = "".join("r" if _numeric([row[i] for row in rows]) else "l" for i in range(len(titles)))
    long = len(rows) > PAGE
    lines = [
        f"% {about} Needs \\usepackage{{booktabs{',longtable' if long else ''}}}.",
        f"\\begin{{{'longtable' if long else 'tabular'}}}{{{kinds}}}", "\\toprule", f"{' & '.join(map(escaped, titles))} \\\\", "\\midrule",
        *(["\\endhead", "\\bottomrule", "\\endfoot"] if long else []),
    ]  # fmt: skip
    before = None
    for row in rows:
        first = row[0] if row[0] != before else ""
        if before is not None and first and len({one[0] for one in rows}) < len(rows):
            lines.append("\\addlinespace")
        lines.append(f"{' & '.join(map(escaped, [first, *row[1:]]))} \\\\")
        before = row[0]
    return "\n".join([*lines, *(["\\end{longtable}"] if long else ["\\bottomrule", "\\end{tabular}"]), ""])


def escaped(text: str) -> str:
    """Return text as LaTeX sets it; what it might not know stays out."""
    known = "".join(ESCAPES.get(letter, letter) for letter in " ".join(str(text).split(" ")))
    known = re.sub(r"(?<![\w.])-(?=\d)", "$-$", known)
    return "".join(letter if letter.isprintable() else " " for letter in known)


def _numeric(texts: Sequence[str]) -> bool:
    return all(
        text == UNKNOWN or text.lstrip("<")[:1].isdigit() or text[:2].strip("-\u2212").isdigit() for text in texts
    )


def _summary(frames: Mapping[str, pd.DataFrame]) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows of the summary: a row a task and defence, in the task's main pair of worlds."""
    found = overview.numbers(frames["models"], frames["leakage"])
    several = found["model"].nunique() > 1
    rows = []
    for row in found.to_dict("records"):
        pair = select.Pair(row["protocol"], row["ratio_0"], row["ratio_1"])
        rows.append(
            [words.facet_name(row, several), pair.label, row["defence"]]
            + [
                _value(row, name, digits)
                for name, digits in (("leakage", 3), ("delta_eo", 3), ("accuracy", 3), ("cost", 1))
            ]
        )
    return ["task", "worlds", "defence", "best informed accuracy", "Delta_EO", "accuracy", "accuracy minus none"], rows


def _value(row: Mapping[str, Any], name: str, digits: int) -> str:
    text, low, high = words.number(row[name], digits), row[f"{name}_low"], row[f"{name}_high"]
    return text if low != low or high != high else f"{text} [{words.number(low, digits)}, {words.number(high, digits)}]"


def _verdicts(claims: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows of the verdicts: a row a claim, a column a task; how often each verdict, where there are several."""
    tasks = list(dict.fromkeys(claims["task"]))
    rows = []
    for claim, part in claims.groupby("claim", sort=False):
        cells = []
        for task in tasks:
            counts = part.loc[part["task"] == task, "verdict"].value_counts(sort=False).to_dict()
            several = sum(counts.values()) > 1 and len(counts) > 1
            cells.append(
                ", ".join(f"{word} {n}" if several else word for word, n in sorted(counts.items(), key=_place))
                or UNKNOWN
            )
        rows.append([str(claim), *cells])
    return ["claim", *tasks], rows


def _turned(titles: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return a table with its rows as columns, where it would be wider than a page: claims are fewer than many tasks."""
    if len(titles) <= WIDE:
        return titles, rows
    head, *columns = zip(titles, *rows, strict=True)
    return ["task", *head[1:]], [list(column) for column in columns]


def _place(count: tuple[str, int]) -> int:
    """Return the place of a verdict among all, for (verdict, how often)."""
    return verdicts.WORDS.index(count[0]) if count[0] in verdicts.WORDS else len(verdicts.WORDS)
