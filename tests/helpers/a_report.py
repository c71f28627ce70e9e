"""A report of made-up tables, for the tests of the page."""

from __future__ import annotations

import fake_tables
from popleak.config import papers
from popleak.report import build
from popleak.stages import figures as figure

CARD = {
    "title": "Adult <Census>", "source": "https://example.org/adult", "licence": "CC BY 4.0", "identifiers": ("id",
    "name"),
    "attributes": {"sex": {"groups": ("Male", "Female"), "recorded": "by the survey", "rows": None}}, "rows": 48842,
    "notes": (),
}  # fmt: skip
EXPERIMENT = {
    "experiment": "demo",
    "title": "",
    "tau": 0.1,
    "population": {"shadows": 100},
    "data_dir": "/home/someone/data",
}
FIGURES = ("leakage", "gap", "bound", "tradeoff", "roc")
SMALL = {"tasks": ("adult-sex", "lsac-race"), "victims": 8}
CONTROLS = {"fft": "finetune", "fft-rehearsal": "rehearsal"}


def write(folder, frames, *, figures=(), experiment=EXPERIMENT, cards=(CARD,), swept=False, **more):
    """Write the report of these tables below `folder`, and return its path."""
    paths = fake_tables.write(folder, {name: frame for name, frame in frames.items() if swept or name != "sensitivity"})
    drawn = [(name, figure.draw(name=name, tables=paths, tau=0.1, stem=folder / name)[1]) for name in figures]
    tasks = set(frames["claims"]["task"]) | set(frames["leakage"]["task"])
    given = {
        "paper": papers.load("fair-finetuning"),
        "controls": dict.fromkeys(tasks, CONTROLS),
        "downloads": (*(f"tables/{name}.parquet" for name in paths), *(f"figures/{name}.pdf" for name in figures)),
        "made": {"Step of this page": "demo-1", "Code digest of this page": "c0de"},
    }
    return build.write(experiment=experiment, tables=paths, figures=drawn, cards=cards, versions={"popleak": "0.1.0"},
                       output=folder / "out" / "report.html", **given | more)  # fmt: skip
