"""The sections of the report after the claims: bounds, adversaries and models, each with its figures and tables; and what lies beside the
page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..core import plugins

SECTIONS = (
    ("part-bounds", "Bounds", ("bounds",),
     "A bound says how large the accuracy gap of a model can be at most, given its unfairness and the two populations. It speaks of one model "
     "whose answers are seen. It says nothing about what training leaves in the answers, which is what the adversaries below read."),
    ("part-adversaries", "Adversaries", ("leakage", "placebo"),
     "What each adversary achieves against each defence. An informed adversary trains its own models with the defence, an unaware one without. "
     "The adversary best is, for each pool split, the attack that did best on the other splits."),
    ("part-defences", "Defences and their price", ("defences",),
     "What each defence hides and what it costs. A case is a task, a model and a pair of worlds. A defence hides the world in a case if it is certified at an "
     "advantage of 0.05 or less, or if the best informed adversary is not above chance there. Costs are CPU seconds computed from the settings. The "
     "following is derived by rule from the table below, and from nothing else. What is chosen among many settings is judged on the victims that it was "
     "chosen on, which flatters it a little."),
    ("part-rows", "Single rows", ("membership",),
     "Whether a model gives away that a single row was among its training rows: attacks on rows, against models that share candidates, each of which is in half of "
     "them. The following is derived by rule from these tables, and from nothing else."),
    ("part-generated", "Rows of generators", ("generators",),
     "What rows of a generator give away of the rows that it was trained on, and what a sharer that chooses these rows makes of models. Attacks estimate the share of a "
     "group among the sharer's rows. The following is derived by rule from the tables shares, samples, models and defences, and from nothing else."),
    ("part-models", "Models", ("models",), "What each defence costs in accuracy, and what it does to the errors in both groups."),
)  # fmt: skip
"""Id, title, tables and first words of each section."""


def sections(
    tables: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    placed: Collection[str],
    said: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Return the sections, ready to show. figures: by name; placed: those that are shown with a claim; said: sentences by section."""
    mine: defaultdict[str, list[str]] = defaultdict(list)
    for name in figures:
        mine[_section(plugins.load("figures", name).tables)].append(name)
    return [
        {
            "id": place,
            "title": title,
            "text": text,
            "said": list((said or {}).get(place, ())),
            "tables": [table for table in tables if table["id"] in names],
            "figures": [figures[name] for name in mine[place] if name not in placed],
            "shown": [name for name in mine[place] if name in placed],
        }
        for place, title, names, text in SECTIONS
    ]


def _section(tables: Collection[str]) -> str:
    """Return where a figure belongs, by the tables that it shows."""
    if "bounds" in tables:
        return "part-bounds"
    if any(table.startswith("membership") for table in tables):
        return "part-rows"
    if {"shares", "samples"} & set(tables):
        return "part-generated"
    if "defences" in tables:
        return "part-defences"
    return "part-models" if {"models", "sensitivity"} & set(tables) else "part-adversaries"


def downloads(paths: Iterable[str]) -> defaultdict[str, list[tuple[str, str]]]:
    """Return the files beside the page by what they hold (`tables/leakage`), each as its path and its ending."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in paths:
        stem, _, ending = path.rpartition(".")
        found[stem].append((path, ending))
    return found
