"""What people open of a search: its tables, figures and sentences in results/<experiment>/search/, and on request a page of results."""

from __future__ import annotations

from pathlib import Path

from ..config import resolve
from ..config.experiment import Experiment
from ..core import atomic
from ..plan.steps import ROOT
from ..report import page as results
from ..report import searched
from ..stages import figures
from ..store import parquet as store
from . import points
from . import results as tables
from .campaign import Searched

FIGURES = ("search", "search-curve")


def write(experiment: Experiment, found: Searched, *, page: Path | None, readme: Path) -> list[str]:
    """Write all that is made of a search; return what to say: a line for each finding, and where the files are.

    page: the folder of pages of results, for a page there; readme: the page that lists them. Raises PopleakError as the figures and pages do.
    """
    if experiment.search is None:
        raise ValueError("the experiment has no search")
    folder = Path(ROOT, experiment.experiment, "search")
    paths = tables.write(experiment, found)
    pictures = {
        name: figures.draw(name=name, tables={"search": paths["search"]}, stem=folder / name, tau=experiment.tau)[1]
        for name in FIGURES
    }
    frames = {name: store.read(path, stage="tables").to_pandas() for name, path in paths.items()}
    settings = experiment.resolved()
    atomic.write(folder / "findings.md", searched.block(frames, settings["search"]).encode())
    if page is not None:
        results.write_search(
            experiment=settings, tables=paths, figures=pictures, data=_data(experiment, found), folder=page, page=readme
        )
    return [
        *searched.sentences(frames),
        f"{folder}: {', '.join([*(path.name for path in paths.values()), *(f'{name}.png' for name in FIGURES)])}",
    ]


def _data(experiment: Experiment, searched: Searched) -> list[str]:
    """Return the titles of the datasets of all tasks of which something was measured; those of other tasks may not be there."""
    measured = {one.task for one in searched.measured if one.found is not None}
    measured |= {one.task for one in searched.studies if any(trial.values is not None for trial in one.trials)}
    found: dict[str, None] = {}
    for task, settled in enumerate(resolve.resolve(experiment)):
        if settled.id not in measured:
            continue
        (data,) = points.Job(experiment, task, {}, 2).plan().steps["dataset"].values()
        found[str(store.facts(data.outputs["table"])["card"]["title"])] = None
    return list(found)
