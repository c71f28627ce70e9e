"""Tabular diffusion: a generator of tables, group included."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from ..core.columns import Columns
from ..core.errors import PopleakError
from ._generator import Diffused, Diffusion


class TabularDiffusion(Diffusion):
    """Gaussian diffusion of numbers' normal scores beside multinomial diffusion of categories, given the label (Kotelnikov et al. 2023)."""

    name = "tabular-diffusion"
    summary = "generator: a diffusion model of a table's rows and group given the label"

    class Settings(Diffused):
        knots: int = Field(default=256, ge=2, le=10_000)
        """Values or quantiles that each number's transform keeps."""
        fitted_on: Literal["own", "public"] = "own"
        """Whose numbers the transforms are fitted to: the sharer's own rows, or those of the whole table, which everybody is taken to know and which are
        the same in all worlds. Transforms of own rows are part of the model and tell their quantiles, so they may give the ratio away by themselves."""

    def reference(
        self, public_x: np.ndarray | None, columns: Columns, settings: TabularDiffusion.Settings
    ) -> np.ndarray | None:
        if settings.fitted_on == "own":
            return None
        if public_x is None or not len(public_x):
            raise PopleakError(
                f"model {self.name}: fitted_on: public needs public rows, and there are none: give them, or choose own"
            )
        return public_x[:, list(columns.numbers)]


PLUGIN = TabularDiffusion()
