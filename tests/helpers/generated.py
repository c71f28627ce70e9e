"""A small run of generators, their samples and who trains on these, made once in a process and only to be read."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tiny
import whole
from popleak.plan.build import Plan
from popleak.plan.steps import Step
from popleak.store import parquet as store
from popleak.store import samples as stored

SMALL = {"width": 16, "depth": 1, "epochs": 2, "steps": 10}
"""Settings of a generator that is trained in a moment, and learns little."""
GENERATOR = {"name": "tabular-diffusion", "settings": SMALL}
RECEIVER = {"name": "synthetic", "settings": {"generator_settings": SMALL}}
RATIOS = [0.2, 0.5, 0.8]
SAMPLES = {"protocol": "samples", "ratios": RATIOS}
RATIO = {"protocol": "ratio", "ratios": [0.2, 0.8]}
FAIR = {"name": "rehearsal", "settings": {"epochs": 2}}
ATTACKS = ["property-inference", "shadow-generators-withheld"]
FFT = {"name": "fft-generated", "settings": {"generator_settings": SMALL}}


def raw(**changes: Any) -> dict[str, Any]:
    """Return a config of generators beside classifiers; `changes` replace keys of the top level."""
    usual = {
        "tasks": [{"dataset": "synthetic", "rows": 80, "query_rows": 80, "options": {"rows": 2000}}],
        "worlds": [SAMPLES, RATIO], "models": [{"name": "logistic"}], "generators": [GENERATOR], "sharers": ["none"], "defences": ["none"],
        "attacks": [*ATTACKS, "kl"], "knowledge": ["informed"], "population": {"splits": 2, "victims": 4, "shadows": 2}, "figures": [],
    }  # fmt: skip
    return {**usual, **changes}


def build(**changes: Any) -> Plan:
    return tiny.build(**raw(**changes))


def received(**changes: Any) -> dict[str, Any]:
    """Return `raw` with classifiers that train on samples."""
    usual = {"defences": ["none", RECEIVER]}
    return raw(**{**usual, **changes})


def steps(plan: Plan, stage: str) -> list[Step[Any]]:
    return [step for step in plan.all_steps() if step.stage == stage]


def ids(plan: Plan, *stages: str) -> set[str]:
    return {step.id for stage in stages for step in steps(plan, stage)}


def make(plan: Plan, folder: Path, *tables: str) -> Path:
    """Make these public tables of a plan, and all that comes before them, below `folder`; return it."""
    makers = {path: step for step in [*plan.all_steps(), *plan.tables.values()] for path in step.outputs.values()}
    made: set[str] = set()

    def one(step: Step[Any]) -> None:
        for paths in step.inputs.values():
            for path in paths:
                if (maker := makers.get(path)) is not None and maker.id not in made:
                    one(maker)
        made.add(step.id)
        whole.make(step)

    with contextlib.chdir(folder):
        for name in tables:
            one(plan.tables[name])
    return folder


class Ran:
    """A run of `received` with a sharer that fixes the share and one that trains further: its folder and its plan."""

    def __init__(self) -> None:
        self.kept = tempfile.TemporaryDirectory()
        sharers = ["none", FAIR, {"name": "fixed-prior", "settings": {"share": 0.3}}]
        self.plan = build(**received(sharers=sharers, defences=["none", RECEIVER, FFT]))
        self.folder = make(self.plan, Path(self.kept.name), "shares", "samples", "models")

    def table(self, name: str) -> Any:
        return store.read(self.folder / self.plan.tables[name].outputs["table"]).to_pandas()

    def files(self, stage: str, output: str) -> list[Path]:
        return [self.folder / step.outputs[output] for step in steps(self.plan, stage)]

    def paths(self, step: Step[Any], name: str) -> list[Path]:
        return [self.folder / path for path in step.inputs[name]]

    def samples(self, sharer: str = "none") -> Iterator[tuple[Step[Any], str, str, stored.Samples]]:
        """Yield (step, role, world, what its generators release) of what one sharer does, with victims before shadows."""
        for step in steps(self.plan, "sample"):
            named = {"rehearsal": "-rehearsal-", "fixed-prior": "-chosen-"}
            if named[sharer] in step.id if sharer in named else not any(one in step.id for one in named.values()):
                for role in ("victim", "shadow"):
                    for world, towards in step.settings.made:
                        path = self.folder / step.outputs[f"{role}s"]
                        yield step, role, world, stored.read([path], world=world, towards=towards)


@functools.cache
def ran() -> Ran:
    return Ran()
