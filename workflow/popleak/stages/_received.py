"""Rows that a generator released, on their way into the training of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.errors import PopleakError
from ..store import samples as stored
from ..store.records import original_columns
from ..store.samples import Samples
from ._owners import FittingOwner


class Received(NamedTuple):
    """What the generators of K models release; None where the defence trains on none."""

    samples: Samples | None

    @classmethod
    def of(cls, paths: Sequence[Path], world: str, towards: str, seeds: np.ndarray) -> Received:
        """Return what the generators of a world's models with these seeds (K,) release; towards: the world that a sharer's defence turned them to, if
        it did. Raises PopleakError if a generator is not there."""
        if not paths:
            return cls(None)
        found = stored.read(paths, world=world, towards=towards)
        place = {int(seed): k for k, seed in enumerate(found.keys["seed"])}
        if missing := [int(seed) for seed in seeds if int(seed) not in place]:
            raise PopleakError(
                f"{paths[0]}: lacks the generator of the model with seed {missing[0]}: delete it and run again"
            )
        return cls(found.at(np.array([place[int(seed)] for seed in seeds], dtype=np.int64)))

    def parts(self) -> tuple[np.ndarray, ...]:
        """Return what a model's bits depend on, a row each."""
        return () if self.samples is None else (self.samples.y, self.samples.a, self.samples.rows)

    def give(self, owner: FittingOwner, part: np.ndarray) -> None:
        """Hand the rows of the models `part` (k,) to their owner, as features."""
        if self.samples is not None:
            mine = self.samples.at(part)
            owner.receive(original_columns(owner.fitter.records).expand(mine.rows), mine.y, mine.a)
