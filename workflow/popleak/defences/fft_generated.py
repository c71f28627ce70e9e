"""Fair fine-tuning whose complement rows come from a generator of the owner's own rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from ..core.errors import PopleakError
from ..core.seeds import generator
from ._price import Used
from ._received import ReceivedSettings
from .base import Defence, EOSettings, MixtureSettings, Owner, Population, fair_fine_tune


class FFtGenerated(Defence):
    """As `fft-rehearsal`, but the owner has no rows of the other world: it trains a generator on S_0, and takes for the complement rows of it, chosen
    by group so that they have the other world's ratio. Rows of a stratum that the generator draws too rarely are repeated; one that it never draws,
    because S_0 has none of it, cannot be had."""

    name = "fft-generated"
    summary = "fair fine-tuning with rehearsal, whose complement rows come from a generator of S_0"
    complement = False

    class Settings(ReceivedSettings, EOSettings, MixtureSettings):
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the fine-tuning rows that come from the model's own draw S_0."""

    def received(self, settings: FFtGenerated.Settings) -> Any:
        return settings.whose

    def used(self, settings: FFtGenerated.Settings, held_out: float = 0.0) -> Used:
        return Used(1.0, 0.0, 0.0)

    def apply(self, owner: Owner, settings: FFtGenerated.Settings) -> Population:
        owner.complement = complement(owner, settings)
        return fair_fine_tune(owner, settings, settings.rehearsal, share=settings.rows)


def complement(owner: Owner, settings: FFtGenerated.Settings) -> np.ndarray:
    """Return rows (K, n) of each model's generator with the composition of what a mixture takes from the complement. Raises PopleakError for a stratum
    that a generator never draws."""
    wanted, found = owner.mixing.parts(settings.rehearsal, settings.rows)[1], []
    for rows, seed in zip(owner.samples, owner.seeds, strict=True):
        rng, parts = generator(int(seed), "generated complement"), []
        for (y, a), size in wanted.items():
            there = rows[(owner.a[rows] == a) & (True if y is None else owner.y[rows] == y)]
            if size and not len(there):
                named = f"group {a}" + ("" if y is None else f" with label {y}")
                raise PopleakError(
                    f"defence fft-generated: {size} rows of {named} are asked for, and the generator draws none among {len(rows)}: its rows of S_0 "
                    f"have none, or raise samples.rows"
                )
            parts.append(np.resize(rng.permutation(there), size))
        found.append(rng.permutation(np.concatenate(parts)))
    return np.stack(found)


PLUGIN = FFtGenerated()
