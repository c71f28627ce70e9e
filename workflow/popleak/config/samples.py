"""The keys of a config about rows that a generator releases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..core.settings import Settings


class Samples(Settings):
    """What each generator releases: rows drawn from it."""

    rows: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Rows that each generator releases; by default as many as it was trained on."""
    labels: Literal["own", "even"] = "own"
    """P(y) of these rows. own: the sharer's label rate, which the generator carries; even: all labels alike, as a receiver may ask for who
    samples conditionally. P(a | y) then stays what it is, and P(a) does not."""
