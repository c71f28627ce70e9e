"""The README's findings: a line each, made by rules from the results that are committed in docs/results.

A setting is a task, a model, two worlds and a defence. A statement is a finding if it holds on more than one task, and with more than one pair of
worlds or defence; otherwise the line says where it holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..core import atomic, inert
from ..core.errors import PopleakError
from ..core.protocols import EQUAL
from ..figures import _select as select
from ..figures import summary
from ..figures._style import defences
from ..measures.verdicts import ABOVE, HIGHER, HOLDS, IDLE, LOWER, OPEN, SAME
from . import generator_findings, practice, row_findings, sensitivity, tally, words
from .chance import at_chance
from .committed import Source
from .findings import mostly_constant
from .words import count, listed, percent

MARKERS = ("<!-- findings: begin, written by `popleak readme` -->", "<!-- findings: end -->")
WITH, WITHOUT = "fft-rehearsal", "fft"
PAPER, WIDER = "paper", "tables"
"""The experiments of which the findings are, in the order to name them: the paper's own, and that with several pairs of worlds."""
CONSTANT = "constant"
"""The committed table of the share of victims that give all records one label."""
KEYS = ["task", "model", *select.PAIR, "defence"]


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
    """Return the README's block: the paper's figure and verdicts, a line for each finding, and links to the pages. folder: docs/results;
    root: where the README is."""
    relative = Path(os.path.relpath(folder, root)).as_posix()
    parts = _paper(Source(folder / PAPER, f"[{PAPER}]({relative}/{PAPER}.md)"), f"{relative}/{PAPER}")
    parts.append("\n".join(f"- {line}" for line in findings(folder, relative)))
    names = sorted(path.parent.name for path in folder.glob("*/experiment.json"))
    parts.append(f"All results: {listed(f'[{name}]({relative}/{name}.md)' for name in names)}." if names else "")
    return inert.markdown("\n\n".join(part for part in parts if part)) + "\n\n"


def _paper(source: Source, place: str) -> list[str]:
    """Return the summary figure of the paper's experiment and the table of its verdicts, if its results are committed. place: its folder as
    the README links to it."""
    claims = source.table("claims")
    if claims is None:
        return []
    alt = words.capital(summary.PLUGIN.summary)
    picture = [f"![{alt}]({place}/summary.png)"] if (source.folder / "summary.png").is_file() else []
    return [*picture, tally.table(claims, source.setting("paper"), source.link, _constant(source))]


class Found(NamedTuple):
    """What an experiment found: its source, and the rows of the best informed adversary in worlds that differ."""

    source: Source
    best: pd.DataFrame

    def with_rows(self, rows: pd.DataFrame) -> Found:
        return Found(self.source, rows)


def findings(folder: Path, relative: str) -> list[str]:
    """Return the lines, each only where the results behind it are committed. relative: the folder as the README links to it."""
    paper, tables, swept, attacks = (
        Source(folder / name, f"[{name}]({relative}/{name}.md)") for name in (PAPER, WIDER, "sensitivity", "attacks")
    )
    found = []
    for source in (paper, tables):
        leakage = source.table("leakage")
        if leakage is not None:
            best = select.best_informed(leakage)
            found.append(Found(source, best[(best["protocol"] != EQUAL) & best["accuracy"].notna()]))
    return [
        *_undefended(found),
        *_against_control(found, swept),
        *_small_gap(found),
        *_certified(found),
        *_base_too(attacks),
        *row_findings.lines(
            *(Source(folder / name, f"[{name}]({relative}/{name}.md)") for name in ("membership", "distillation"))
        ),
        *generator_findings.lines(
            *(Source(folder / name, f"[{name}]({relative}/{name}.md)") for name in ("generators", "poisoning"))
        ),
        *_what_to_use(Source(folder / "defences", f"[defences]({relative}/defences.md)")),
    ]


def _all(found: Iterable[Found]) -> pd.DataFrame:
    """Return the rows of several experiments together."""
    return pd.concat([one.best for one in found], ignore_index=True)


def _clauses(clauses: Sequence[tuple[Found, str]]) -> str:
    """Return what each experiment found, with its source."""
    return "; ".join(f"{said} {_from(one.source, one.best)}" for one, said in clauses)


def only(rows: pd.DataFrame, whole: pd.DataFrame) -> str:
    """Return where the statement holds that these rows of `whole` support, unless that is a finding or all there is: ` (only on compas-race)`."""
    places, all_places = _places(rows), _places(whole)
    said = [place for place in places if place not in all_places]
    return f" (only {' and '.join(said)})" if said else ""


def _places(rows: pd.DataFrame) -> list[str]:
    """Return the one task, and the one pair of worlds if model and defence are one too, that rows are of; nothing for what is several."""
    tasks, settings = sorted(set(rows["task"])), rows[[*select.PAIR, "model", "defence"]].drop_duplicates()
    places = [f"on {tasks[0]}"] if len(tasks) == 1 else []
    return [*places, f"in {select.pairs(rows)[0].label}"] if len(settings) == 1 else places


def _share(part: pd.DataFrame, whole: pd.DataFrame) -> str:
    """Return `5 of 8 settings`, and where if these are too few for a finding."""
    return f"{len(part)} of {count(len(whole), 'setting')}{only(part, whole)}"


def _span(rows: pd.DataFrame) -> str:
    low, high = rows["accuracy"].min(), rows["accuracy"].max()
    return percent(low) if low == high else f"{percent(low)} to {percent(high)}"


def _from(source: Source, rows: pd.DataFrame) -> str:
    """Return the source of a line: the page, and over how much it counts."""
    tasks, pairs = rows["task"].nunique(), select.pairs(rows)
    worlds = pairs[0].label if len(pairs) == 1 else f"{len(pairs)} pairs of worlds"
    return f"({source.link}: {count(tasks, 'task')}, {worlds})"


def _undefended(found: Sequence[Found]) -> list[str]:
    kept = [one.with_rows(select.of(one.best, defence="none")) for one in found]
    kept = [one for one in kept if len(one.best)]
    if not kept:
        return []
    above = _all(kept)["against_chance"] == ABOVE
    head = (
        "Undefended models give their training population away"
        if above.any()
        else "Undefended models give nothing away"
    )
    clauses = []
    for one in kept:
        rows, pairs = one.best, select.pairs(one.best)
        spans = listed(
            _span(select.of_pair(rows, pair)) + (f" ({pair.label})" if len(pairs) > 1 else "") for pair in pairs
        )
        clauses.append((one, f"in {_share(rows[rows['against_chance'] == ABOVE], rows)}, and names {spans} of models"))
    return [f"**{head}.** The best informed adversary is above chance {_clauses(clauses)}."]


def _against_control(found: Sequence[Found], swept: Source) -> list[str]:
    """Say how often the fairness term lowers or raises leakage, against controls that train on the same rows without it."""
    kept = [
        one.with_rows(one.best[one.best["defence"].isin([WITH, WITHOUT]) & one.best["verdict_vs_control"].notna()])
        for one in found
    ]
    kept = [one for one in kept if (one.best["verdict_vs_control"] != IDLE).any()]
    if not kept:
        return []
    every = _all(kept)
    less, more = (_is_finding(every[every["verdict_vs_control"] == word]) for word in (LOWER, HIGHER))
    head = {
        (True, False): "The fairness term protects",
        (True, True): "The fairness term protects in some settings and adds leakage in others",
        (False, True): "The fairness term is not shown to protect, and can add leakage",
        (False, False): "The fairness term is not shown to protect",
    }[less, more]
    said = (
        f"**{head}.** Against controls that train on the same rows without it, the share of models that fair fine-tuning leaves named is "
        f"{_clauses([(one, _counts(one.best)) for one in kept])}"
    )
    grid = swept.table("sensitivity")
    if grid is not None:
        grid = sensitivity.fair(sensitivity.own(grid))
        tried = grid[~grid["eo_chosen"].astype(bool) & grid["verdict_vs_control"].notna()]
        said += f"; over epochs, step sizes, rehearsal shares and lambdas {_counts(tried)} {_from(swept, tried)}"
    return [f"{said}."]


def _is_finding(rows: pd.DataFrame) -> bool:
    """Return whether rows are of more than one task, and of more than one pair of worlds, model or defence."""
    return bool(len(rows)) and not _places(rows)


def _counts(judged: pd.DataFrame) -> str:
    """Return how often each verdict against the control is among these settings."""
    rows = judged[judged["verdict_vs_control"] != IDLE]
    kinds = {LOWER: "lower", HIGHER: "higher", SAME: "not materially different", OPEN: "undecided"}
    parts = {said: rows[rows["verdict_vs_control"] == word] for word, said in kinds.items()}
    places = {said: only(parts[said], rows) for said in (kinds[LOWER], kinds[HIGHER])}
    counted = [f"{said} in {len(part)}{places.get(said, '')}" for said, part in parts.items() if len(part)]
    return f"{listed(counted)} of {count(len(rows), 'setting')}{_idle(judged)}"


def _idle(judged: pd.DataFrame) -> str:
    """Return in how many settings the fairness term never acts, which no count of verdicts holds; "" if it acts in all."""
    many = int((judged["verdict_vs_control"] == IDLE).sum())
    return f" (in {many} more the term never acts)" if many else ""


def _constant(source: Source) -> set[tuple]:
    """Return KEYS of the settings in which most victims give all records one label, so that what their accuracies show is the label rates."""
    shares = source.table(CONSTANT)
    return set() if shares is None else mostly_constant(shares.set_index(KEYS)["constant"])


def _small_gap(found: Sequence[Found]) -> list[str]:
    """Say whether the adversary does better than chance where the accuracy gap is small in the majority of models (claim C2)."""
    clauses, shown, left_out = [], [], 0
    for one in found:
        claims = one.source.table("claims")
        if claims is None:
            continue
        small = claims[(claims["kind"] == "gap-small") & (claims["verdict"] == HOLDS)]
        rows = select.among(one.best, KEYS, set(small[KEYS].itertuples(index=False, name=None)))
        degenerate = select.among(rows, KEYS, _constant(one.source))
        asked, rows = select.of(one.best, defence=WITH), rows.drop(degenerate.index)
        left_out += len(degenerate)
        if len(rows):
            above = rows[rows["against_chance"] == ABOVE]
            names = f", which names {_span(above)} of models" if len(above) else ""
            clauses.append(
                (
                    one.with_rows(asked),
                    f"below {one.source.setting('tau'):g} in {_share(rows, asked)}, in {len(above)} of these with an adversary above chance{only(above, rows)}{names}",
                )
            )
            shown.append(above)
    if not clauses:
        return []
    head = (
        "A small accuracy gap does not mean that nothing leaks"
        if any(len(above) for above in shown)
        else "Where the accuracy gap is small, nothing is named"
    )
    besides = (
        f"; not counted: {count(left_out, 'setting')} in which most models give all records one label"
        if left_out
        else ""
    )
    return [
        f"**{head}.** After fair fine-tuning with rehearsal the accuracy gap of most models is {_clauses(clauses)}{besides}."
    ]


def _certified(found: Sequence[Found]) -> list[str]:
    """Say whether anything is named under the defences of which a theorem says that nothing can be (claim C9)."""
    kept = []
    for one in found:
        claims = one.source.table("claims")
        rows = one.best[at_chance(one.best, claims)] if claims is not None else one.best[:0]
        kept += [one.with_rows(rows)] if len(rows) else []
    if not kept:
        return []
    every = _all(kept)
    head = (
        "Where a theorem says that nothing can be named, something is"
        if (every["against_chance"] == ABOVE).any()
        else "Where a theorem says that nothing can be named, nothing is"
    )
    clauses = [(one, f"in {_share(one.best[one.best['against_chance'] == ABOVE], one.best)}") for one in kept]
    return [
        f"**{head}.** By the [theorem](docs/method.md#claims) no adversary can be above chance under {listed(defences(every['defence']))}; the "
        f"best informed one is {_clauses(clauses)}."
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
    tells = _is_finding(above) and len(above) == len(both)
    head = (
        "A defended model beside its base model gives the population away"
        if tells
        else "A defended model beside its base model"
    )
    return [
        f"**{head}.** Whoever sees the scores of both models is above chance in {_share(above, both)} and names {_span(both)} of models, against "
        f"{_span(alone)} from the defended model alone {_from(attacks, both)}."
    ]


def _what_to_use(source: Source) -> list[str]:
    """Say which defence to use, for whoever has access to the training, or a model, or public rows, as far as that is a finding."""
    table = source.table("defences")
    said = [] if table is None else practice.findings(table)
    return [f"**What to use.** {' '.join(said)} {_from(source, select.differ(table))}"] if said else []
