"""The README's findings: a line each, made by rules from the results that are committed in docs/results.

A setting is a task, two worlds and a defence. A statement is a finding if it holds on more than one task, and with more than one pair of
worlds or defence; otherwise the line says where it holds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..core import atomic
from ..core.errors import PopleakError
from ..core.protocols import EQUAL
from ..figures import _select as select
from ..figures import summary
from ..figures._style import defences
from ..measures.verdicts import ABOVE, HIGHER, HOLDS, IDLE, LOWER, SAME
from ..store.schema import TABLES
from . import overview, sensitivity, tally
from .chance import at_chance
from .words import count, listed, percent

MARKERS = ("<!-- findings: begin, written by `popleak readme` -->", "<!-- findings: end -->")
WITH, WITHOUT = "fft-rehearsal", "fft"
PAPER = "paper"
"""The experiment that answers the paper."""
CONSTANT = "constant"
"""The committed table of the share of victims that give all records one label."""
KEYS = ["task", "model", *select.PAIR, "defence"]
ALT = "Share of models whose training population the best informed adversary names, by task and defence, with 95 % intervals"


class Source(NamedTuple):
    """The committed results of one experiment: its folder, and how README.md links to its page."""

    folder: Path
    link: str

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a committed CSV; None where the experiment has not been run or keeps no such table.

        Raises PopleakError for a public table that lacks a column, since an earlier version wrote it.
        """
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            return None
        table = pd.read_csv(path)
        lacking = [column.name for column in TABLES.get(name, ()) if column.name not in table]
        if lacking:
            raise PopleakError(
                f"{path}: lacks the column {lacking[0]!r}, so an earlier version of popleak wrote it: run `snakemake --cores all "
                f"--configfile {self.folder / 'experiment.json'} page`"
            )
        return table

    def setting(self, key: str):
        """Return a setting of the run."""
        return json.loads((self.folder / "experiment.json").read_text(encoding="utf-8"))[key]


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


def block(folder: Path, *, root: Path) -> str:
    """Return the README's block: the figure, a line for each finding, and links to the pages. folder: docs/results; root: where the README
    is."""
    relative = Path(os.path.relpath(folder, root)).as_posix()
    parts = [f"![{ALT}]({relative}/{overview.NAME}.png)"] if (folder / f"{overview.NAME}.csv").is_file() else []
    parts += _paper(Source(folder / PAPER, f"[{PAPER}]({relative}/{PAPER}.md)"), f"{relative}/{PAPER}")
    parts.append("\n".join(f"- {line}" for line in findings(folder, relative)))
    names = sorted(path.parent.name for path in folder.glob("*/experiment.json"))
    parts.append(f"All results: {listed(f'[{name}]({relative}/{name}.md)' for name in names)}." if names else "")
    return "\n\n".join(part for part in parts if part) + "\n\n"


def _paper(source: Source, place: str) -> list[str]:
    """Return the summary figure of the paper's experiment and the table of its verdicts, if its results are committed. place: its folder as
    the README links to it."""
    claims = source.table("claims")
    if claims is None:
        return []
    picture = [f"![{summary.PLUGIN.summary}]({place}/summary.png)"] if (source.folder / "summary.png").is_file() else []
    return [*picture, tally.table(claims, source.setting("paper"), source.link)]


def findings(folder: Path, relative: str) -> list[str]:
    """Return the lines, each only where the results behind it are committed. relative: the folder as the README links to it."""
    tables, swept, attacks = (
        Source(folder / name, f"[{name}]({relative}/{name}.md)")
        for name in (overview.EXPERIMENT, "sensitivity", "attacks")
    )
    lines = []
    leakage = tables.table("leakage")
    if leakage is not None:
        best = select.best_informed(leakage)
        best = best[(best["protocol"] != EQUAL) & best["accuracy"].notna()]
        lines += [
            *_undefended(best, tables),
            *_against_control(best, tables, swept),
            *_small_gap(best, tables),
            *_certified(best, tables),
        ]
    return [*lines, *_base_too(attacks)]


def only(rows: pd.DataFrame) -> str:
    """Return where the statement holds that these rows support, unless that is a finding: ` (only on compas-race)`."""
    if rows.empty:
        return ""
    pairs = select.pairs(rows)
    tasks, settings = sorted(set(rows["task"])), rows[[*select.PAIR, "defence"]].drop_duplicates()
    places = [f"on {tasks[0]}"] if len(tasks) == 1 else []
    if len(settings) == 1:
        places.append(f"in {pairs[0].label}")
    return f" (only {' and '.join(places)})" if places else ""


def _share(part: pd.DataFrame, whole: pd.DataFrame) -> str:
    """Return `5 of 8 settings`, and where if these are too few for a finding."""
    return f"{len(part)} of {count(len(whole), 'setting')}{only(part)}"


def _span(rows: pd.DataFrame) -> str:
    low, high = rows["accuracy"].min(), rows["accuracy"].max()
    return percent(low) if low == high else f"{percent(low)} to {percent(high)}"


def _from(source: Source, rows: pd.DataFrame) -> str:
    """Return the source of a line: the page, and over how much it counts."""
    tasks, pairs = rows["task"].nunique(), len(select.pairs(rows))
    return f"({source.link}: {count(tasks, 'task')}, {count(pairs, 'pair')} of worlds)"


def _undefended(best: pd.DataFrame, tables: Source) -> list[str]:
    rows = select.of(best, defence="none")
    if rows.empty:
        return []
    above = rows[rows["against_chance"] == ABOVE]
    spans = listed(f"{_span(select.of_pair(rows, pair))} ({pair.label})" for pair in select.pairs(rows))
    head = (
        "Undefended models give their training population away" if len(above) else "Undefended models give nothing away"
    )
    return [
        f"**{head}.** The best informed adversary is above chance in {_share(above, rows)}; it names the training world of {spans} of models "
        f"{_from(tables, rows)}."
    ]


def _against_control(best: pd.DataFrame, tables: Source, swept: Source) -> list[str]:
    """Say how often the fairness term lowers or raises leakage, against controls that train on the same rows without it."""
    judged = best[best["defence"].isin([WITH, WITHOUT]) & best["verdict_vs_control"].notna()]
    rows = judged[judged["verdict_vs_control"] != IDLE]
    if rows.empty:
        return []
    lower, higher, same = (rows[rows["verdict_vs_control"] == word] for word in (LOWER, HIGHER, SAME))
    less, more = (bool(len(part)) and not only(part) for part in (lower, higher))
    head = {
        (True, False): "The fairness term protects",
        (True, True): "The fairness term protects in some settings and adds leakage in others",
        (False, True): "The fairness term is not shown to protect, and can add leakage",
        (False, False): "The fairness term is not shown to protect",
    }[less, more]
    undecided = len(rows) - len(lower) - len(higher) - len(same)
    said = (
        f"**{head}.** Against controls that train on the same rows without it, fair fine-tuning lowers the share of models named in "
        f"{_share(lower, rows)}, raises it in {len(higher)}{only(higher)}, makes no material difference in {len(same)}, and {undecided} "
        f"{'is' if undecided == 1 else 'are'} undecided{_idle(judged)} {_from(tables, judged)}"
    )
    grid = swept.table("sensitivity")
    if grid is not None:
        grid = sensitivity.fair(sensitivity.own(grid))
        tried = grid[~grid["eo_chosen"].astype(bool) & grid["verdict_vs_control"].notna()]
        grid = tried[tried["verdict_vs_control"] != IDLE]
        lower, higher = (grid[grid["verdict_vs_control"] == word] for word in (LOWER, HIGHER))
        said += (
            f"; over epochs, step sizes, rehearsal shares and lambdas it lowers it in {_share(lower, grid)} and raises it in "
            f"{len(higher)}{only(higher)}{_idle(tried)} {_from(swept, tried)}"
        )
    return [f"{said}."]


def _idle(judged: pd.DataFrame) -> str:
    """Return in how many settings the fairness term never acts, which no count of verdicts holds; "" if it acts in all."""
    many = int((judged["verdict_vs_control"] == IDLE).sum())
    return f"; in {many} more the term never acts, so that the models are the control's own" if many else ""


def _degenerate(rows: pd.DataFrame, tables: Source) -> pd.Series:
    """Return whether most victims of these settings give all records one label, so that what their accuracies show is the label rates."""
    shares = tables.table(CONSTANT)
    if shares is None:
        return pd.Series(False, index=rows.index)
    many = set(shares[shares["constant"] > 0.5][KEYS].itertuples(index=False, name=None))
    return pd.Series([row in many for row in rows[KEYS].itertuples(index=False, name=None)], index=rows.index)


def _small_gap(best: pd.DataFrame, tables: Source) -> list[str]:
    """Say whether the adversary does better than chance where the accuracy gap is small in the majority of models (claim C2)."""
    claims = tables.table("claims")
    if claims is None:
        return []
    small = claims[(claims["kind"] == "gap-small") & (claims["verdict"] == HOLDS)]
    rows = select.among(best, KEYS, set(small[KEYS].itertuples(index=False, name=None)))
    degenerate = _degenerate(rows, tables)
    asked, left_out, rows = select.of(best, defence=WITH), int(degenerate.sum()), rows[~degenerate]
    if rows.empty:
        return []
    besides = f" (not counting {left_out} in which most models give all records one label)" if left_out else ""
    above = rows[rows["against_chance"] == ABOVE]
    head = (
        "A small accuracy gap does not mean that nothing leaks"
        if len(above)
        else "Where the accuracy gap is small, nothing is named"
    )
    several = len(above) and len(select.pairs(above)) > 1
    named = listed(
        f"{percent(row.accuracy)} on {row.task}"
        + (f" ({select.Pair(row.protocol, row.ratio_0, row.ratio_1).label})" if several else "")
        for row in above.itertuples()
    )
    return [
        f"**{head}.** After fair fine-tuning with rehearsal the accuracy gap is below {tables.setting('tau'):g} in the majority of models in "
        f"{len(rows)} of {count(len(asked), 'setting')}{besides}; in {len(above)} of them the adversary is above chance{only(above)}{f': {named}' if named else ''} "
        f"{_from(tables, asked)}."
    ]


def _certified(best: pd.DataFrame, tables: Source) -> list[str]:
    """Say whether anything is named under the defences of which a theorem says that nothing can be (claim C9)."""
    claims = tables.table("claims")
    if claims is None:
        return []
    rows = best[at_chance(best, claims)]
    if rows.empty:
        return []
    above = rows[rows["against_chance"] == ABOVE]
    head = (
        "Where a theorem says that nothing can be named, nothing is"
        if above.empty
        else "Where a theorem says that nothing can be named, something is"
    )
    return [
        f"**{head}.** The adversary is above chance in {_share(above, rows)} of {listed(defences(rows['defence']))}; by the "
        f"[theorem](docs/method.md#claims) no adversary can be {_from(tables, rows)}."
    ]


def _base_too(attacks: Source) -> list[str]:
    """Say what publishing the base model beside the defended one gives away."""
    points = attacks.table("attacks")
    if points is None:
        return []
    points = points[(points["shadow_model"] == points["model"]) & (points["repeats"] == 1) & points["accuracy"].notna()]
    points = points[(points["knowledge"] == "informed") & (points["protocol"] != EQUAL) & (points["defence"] != "none")]
    both = select.of(points, adversary="pair")
    alone = select.among(select.of(points, adversary="best"), KEYS, set(both[KEYS].itertuples(index=False, name=None)))
    if both.empty or alone.empty:
        return []
    above = both[both["against_chance"] == ABOVE]
    tells = not only(above) and len(above) == len(both)
    head = (
        "A defended model beside its base model gives the population away"
        if tells
        else "A defended model beside its base model"
    )
    return [
        f"**{head}.** Whoever sees the scores of both models is above chance in {_share(above, both)} and names {_span(both)} of models, against "
        f"{_span(alone)} from the defended model alone {_from(attacks, both)}."
    ]
