"""Steps. A step is one job; its id says what it does and contains a digest of everything that its result depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..core.errors import PopleakError
from ..core.provenance import code_digest, library_versions
from ..core.settings import canonical, digest
from ..steps.base import StepSettings

S = TypeVar("S", bound=StepSettings)
S_co = TypeVar("S_co", bound=StepSettings, covariant=True)

ROOT = "results"
MOST_JOBS = 10_000
"""Largest number of jobs of one stage. With more, Snakemake needs minutes to build its graph."""
MOST_MB = 4_000_000
"""Largest memory, in megabytes, that a job may request. No machine has more."""


@dataclass(frozen=True)
class Step(Generic[S_co]):
    """One job: `settings` is what it is told, beside its files; `inputs` and `outputs` are paths by name; `id` ends in a digest of the settings, the code and the ids of what it reads; `modules` is the code it runs; `models` is how many it trains or
    scores; `seconds` CPU seconds on the reference core without its start; `mb` megabytes that it writes."""

    id: str
    settings: S_co
    inputs: dict[str, tuple[str, ...]]
    outputs: Mapping[str, str]
    modules: tuple[str, ...]
    models: int = 0
    seconds: float = 0.5
    mb: float = 0.1
    mem_mb: int = 1000

    @property
    def stage(self) -> str:
        """The stage whose command the job runs."""
        return self.settings.stage

    @property
    def params(self) -> str:
        """The settings as canonical JSON."""
        return canonical(self.settings.plain())

    @property
    def code(self) -> str:
        """Digest of the code the step runs, and of the versions of the libraries it computes with."""
        return code_digest(*self.modules) + digest(library_versions(*self.modules), 4)

    @property
    def runtime(self) -> int:
        """Time limit for a cluster in minutes: far above the expected time, since it is not an estimate."""
        return max(30, round(self.seconds / 60 * 10))


Steps = dict[str, dict[str, Step[Any]]]
Input = Step[Any] | Sequence[tuple[Step[Any], str]]
TABLE = {"table": ".parquet"}
"""Outputs of a step that writes one table: the ending of each file's name, by output."""


def sane(jobs: int, slug: str, mem_mb: float) -> None:
    """Raise PopleakError if a stage has more jobs, or a job requests more memory, than any machine supports."""
    if jobs > MOST_JOBS:
        raise PopleakError(
            f"config: {slug}: more than {MOST_JOBS:,} jobs of one stage: raise engine.job_seconds, or ask for fewer victims, shadows or epochs"
        )
    if mem_mb > MOST_MB:
        raise PopleakError(
            f"config: {slug}: a job would need {mem_mb / 1e6:,.0f} TB of memory: ask for fewer rows, victims or shadows, or narrower models"
        )


def add(
    steps: Steps,
    slug: str,
    settings: S,
    inputs: Mapping[str, Input],
    *,
    modules: tuple[str, ...],
    outputs: Mapping[str, str] = TABLE,
    family: Sequence[Any] | None = None,
    **more: Any,
) -> Step[S]:
    """Add a step, or return the existing one. Tasks that need the same step share it.

    inputs: by name, a step (its only output) or a list of (step, output name); outputs: endings of file names, by
    output name. The code is part of the id, and so of the files' names. Files of other code never have the name of
    files of this code, whatever Snakemake remembers or is told to look at. family: common to all steps that may hold
    the same models (`reuse`); the id is then slug-family-digest.
    """
    stage = settings.stage
    paths: dict[str, tuple[str, ...]] = {}
    sources: list[str] = []
    for name, value in inputs.items():
        found = []
        for step, output in [(value, "table")] if isinstance(value, Step) else value:
            found.append(step.outputs[output])
            sources.append(f"{step.stage}/{step.id}/{output}")
        paths[name] = tuple(found)
    step = Step("", settings, paths, {}, modules, **more)
    if family is not None:
        slug = f"{slug}-{digest([*family, step.code], 6)}"
    identity = {"stage": stage, "settings": settings.plain(), "inputs": sources, "code": step.code}
    name = f"{slug}-{digest(identity)}"
    if name not in steps[stage]:
        sane(len(steps[stage]) + 1, slug, step.mem_mb)
        files = {output: f"{ROOT}/store/{stage}/{name}{ending}" for output, ending in outputs.items()}
        steps[stage][name] = dataclasses.replace(step, id=name, outputs=files)
    return steps[stage][name]


def tables_named(*names: str) -> dict[str, str]:
    """Return the endings of the files of a step that writes several tables."""
    return {name: f".{name}.parquet" for name in names}
