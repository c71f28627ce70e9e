"""Pixel diffusion: a generator of small pictures, group included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from ..core.columns import Columns
from ..core.errors import PopleakError
from ._generator import GROUPS, Diffused, Diffusion

if TYPE_CHECKING:
    from ..engine.diffusion import Layout


class PixelDiffusion(Diffusion):
    """Gaussian diffusion of pixels, scaled from known bounds to [-1, 1], beside the group's multinomial chain, given the label (Ho et al. 2020)."""

    name = "pixel-diffusion"
    summary = "generator: a diffusion model of small pictures and group given the label"

    class Settings(Diffused):
        epochs: int = Field(default=200, ge=1, le=100_000)
        """Passes over the rows in training."""
        batch: int = Field(default=64, ge=1, le=65_536)
        """Rows of a step of training: small, since pictures are few and need many steps."""
        low: float = Field(default=-4.88 / 6.02, ge=-1e6, le=1e6)
        """The least value of a pixel, in the data set's units. The defaults are black and white of `digits`."""
        high: float = Field(default=11.12 / 6.02, ge=-1e6, le=1e6)
        """The largest value of a pixel."""
        values: int = Field(default=17, ge=0, le=65_536)
        """How many values a pixel may have, in even steps from low to high; 0: any."""

        @model_validator(mode="after")
        def _rising(self) -> PixelDiffusion.Settings:
            if self.low >= self.high:
                raise ValueError(f"low {self.low} must be below high {self.high}")
            if self.values == 1:
                raise ValueError("a pixel of one value says nothing: choose 2 values or more, or 0 for any")
            return self

    def layout(self, columns: Columns, settings: PixelDiffusion.Settings, classes: int) -> Layout:
        from ..engine.diffusion import Layout

        if columns.categories or not columns.numbers:
            raise PopleakError(
                f"model {self.name}: a record has {len(columns.categories)} categories beside {len(columns.numbers)} numbers, and a picture has "
                "numbers alone: choose tabular-diffusion"
            )
        return Layout(len(columns.numbers), (GROUPS,), classes, (settings.low, settings.high), settings.values)


PLUGIN = PixelDiffusion()
