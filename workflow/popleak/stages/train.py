"""Stage `train`: trains the base models M_0 of some worlds; victims and shadows have separate files."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..core.protocols import ROLES, Role
from ..engine.fit import Progress
from ..steps.models import ModelsStep
from ..steps.train import TrainStep
from ..store import parquet as store
from ..store.populations import FOUND, Models, draws_of, empty, known, of_role, poisoned, write
from ..store.records import Loaded
from ..store.reuse import Shelf, content, no_keys
from ._fitter import Engine, Fitter, How
from ._generating import fitter_of

__all__ = ["MADE", "Engine", "Fitter", "How", "base", "plain_size", "run", "shelf"]

MADE = ("weights", *FOUND)
"""What is recorded of a model when it is trained or defended, by column."""


def shelf(facts: Mapping[str, Any], settings: ModelsStep, outputs: Mapping[Role, Path], fitter: Fitter) -> Shelf:
    """Return what a job of `fitter` may take from the files of other jobs."""
    return Shelf(
        facts,
        settings,
        outputs,
        records=content(fitter.records, fitter.size),
        alone=fitter.alone,
        stack=fitter.how.stack,
        use=fitter.how.reuse,
    )


def plain_size(records: Loaded, worlds: Sequence[str]) -> int:
    """Return the number of records, without the poisoned twins that `known` adds."""
    return len(records.y) // (2 if any(map(poisoned, worlds)) else 1)


def run(
    *,
    settings: TrainStep,
    data: Path,
    draw: Sequence[Path],
    victims: Path,
    shadows: Path,
    step: str,
    code: str,
    how: How,
) -> None:
    """Train the base models of this job's worlds, or its part of them; write victims and shadows. draw: the draws of all worlds."""
    outputs: dict[Role, Path] = {"victim": victims, "shadow": shadows}
    facts = store.provenance(
        stage="train", step=step, settings=settings.plain(), code=code, inputs=[data, *draw], device=how.resolved()
    )
    records = known(data, settings.worlds)
    fitter = fitter_of(settings, records, how, plain_size(records, settings.worlds))
    stock = shelf(facts, settings, outputs, fitter)
    with ExitStack() as files:
        writers = {role: files.enter_context(store.Writer(outputs[role], facts)) for role in ROLES}
        for world in settings.worlds:
            drawn = draws_of(draw, world, world)
            for role in ROLES:
                keys, rows = of_role(drawn, role, settings.part)
                if role not in settings.roles:
                    nobody = empty(keys)
                    write(writers[role], nobody, no_keys(), validation_loss=nobody.eo_weight)
                    continue
                made_of = stock.keys(keys["seed"], rows)
                make = functools.partial(base, fitter, rows, keys["seed"], f"train {step} {world} {role}s")
                columns = stock.complete(role, world, world, made_of, (*MADE, "validation_loss"), make)
                models = Models.of(keys, columns)
                write(writers[role], models, made_of, validation_loss=columns["validation_loss"])
    stock.tell()


def base(fitter: Fitter, rows: np.ndarray, seeds: np.ndarray, what: str, part: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of base models `part` (k,) of those on rows (K, n)."""
    fitted = fitter(rows[part], seeds[part], progress=Progress(what, len(part)))
    none = np.zeros(len(part))
    made = (fitted.weights.astype(np.float32), fitted.finite, none, none, none * np.nan)
    return {**dict(zip(MADE, made, strict=True)), "validation_loss": fitted.validation_loss}
