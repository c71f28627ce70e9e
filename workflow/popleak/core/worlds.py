"""Worlds: how the draw of a model is composed. A world's name says all of it, so files and jobs need nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

NAME = re.compile(
    r"(?P<ratio>[^y#!]+)(y(?P<label_rate>[^y#!]+))?#(?P<copy>\d+)(?P<half>~half)?"
    r"(!(?P<targets>\d+)x|!(?P<chosen>[\d.]+)g|!(?P<flipped>[\d.]+)f|!(?P<poison>[^y#!~]+))?"
)


class World(NamedTuple):
    """A law that models' rows are drawn from.

    ratio: P(a = 1); label_rate: P(y = 1) in both groups, None: as the task's `ratio_mode` has it; copy: tells worlds of one law apart,
    whose models are drawn afresh; poison: share of every draw's rows that the adversary slipped in; half: models do not draw from their pool
    one by one, but share twice as many candidates, of which each holds half (`core.halves`). Such a world has victims alone. targets: the
    first so many of these candidates are in every draw, as copies with their label flipped (`core.halves.COPIES` of each), beside its half.
    chosen, flipped: the share of every draw's rows that its own sharer replaced to make it unfair, by rows chosen greedily or by the same ones with
    their labels flipped (`stages._poisoned_rows`); None: it did not set out to. Such a world has victims alone, too.
    """

    ratio: float
    label_rate: float | None = None
    copy: int = 0
    poison: float = 0.0
    half: bool = False
    targets: int = 0
    chosen: float | None = None
    flipped: float | None = None

    @property
    def name(self) -> str:
        """0.5#0, its second copy 0.5#1, 0.5y0.2#0 where a fifth of the labels are 1, 0.5#0!0.01 with a hundredth of poisoned rows,
        0.5#0~half where models share candidates, 0.5#0~half!50x where 50 of these are poisoned, 0.5#0!0.3g where three tenths of a draw were
        chosen by its sharer, 0.5#0!0.3f where labels were flipped among as many."""
        rate = "" if self.label_rate is None else f"y{self.label_rate!r}"
        poison = f"!{self.targets}x" if self.targets else f"!{self.poison!r}" if self.poison else ""
        for share, letter in ((self.chosen, "g"), (self.flipped, "f")):
            poison += "" if share is None else f"!{share!r}{letter}"
        return f"{self.ratio!r}{rate}#{self.copy}{'~half' if self.half else ''}{poison}"

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the world of this name. Raises ValueError for a text that is none."""
        found = NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"{name!r} is no name of a world")
        rate = found["label_rate"]
        return cls(
            float(found["ratio"]),
            None if rate is None else float(rate),
            int(found["copy"]),
            float(found["poison"] or 0),
            found["half"] is not None,
            int(found["targets"] or 0),
            *(None if found[name] is None else float(found[name]) for name in ("chosen", "flipped")),
        )

    @property
    def law(self) -> Self:
        """The world without what tells it from others of its law, and without poison."""
        return self._replace(copy=0, poison=0.0, targets=0, chosen=None, flipped=None)

    @property
    def alone(self) -> bool:
        """Whether the world has victims alone."""
        return self.half or self.chosen is not None or self.flipped is not None

    def drawn(self, mode: str, label_rate: float) -> tuple[float, str, float]:
        """Return ratio, mode and share of positives of its draws, in a task with this `ratio_mode` and a dataset with this label rate."""
        return (
            (self.ratio, mode, label_rate)
            if self.label_rate is None
            else (self.ratio, "label-balanced", self.label_rate)
        )

    def __str__(self) -> str:
        """The law in a message: the ratio, and the label rate where the world has one of its own."""
        return f"{self.ratio:g}" + ("" if self.label_rate is None else f" and the label rate {self.label_rate:g}")


def order(law: World) -> tuple[float, float]:
    """Return a key that sorts laws: by ratio, then by label rate, those without one first."""
    return law.ratio, -1.0 if law.label_rate is None else law.label_rate
