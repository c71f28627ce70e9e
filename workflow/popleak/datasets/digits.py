"""Handwritten digits of 8 x 8 pixels, bundled with scikit-learn: is the digit even, or five or more?

The rows are the test part of UCI's set: 13 people wrote them, none of whom wrote for the part that is left out. The copy holds no number of the
writer, so one writer's digits may be in several pools. Groups are made of digits and are nobody's attribute: what leaks here says how, and
harms no one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from ..core.errors import PopleakError
from ..core.settings import Settings
from . import _cards, _tables
from .base import Card, Cells, Dataset, Records

SIDE = 8
BRIGHTEST = 16.0
"""Pixels are counts of ink in blocks of 4 x 4 dots."""
MEAN, SPREAD = 4.88, 6.02
"""Mean and standard deviation of all pixels of the set, rounded: constants, so no row is needed to know them."""
SOURCE = "scikit-learn (sklearn.datasets.load_digits)"
PIXELS = tuple(f"pixel {i},{j}" for i in range(SIDE) for j in range(SIDE))
REMEDY = "install scikit-learn's own build again"
EVEN, LARGE, LOOP = "even", "large", "loop"
DIGITS = {EVEN: (0, 2, 4, 6, 8), LARGE: (5, 6, 7, 8, 9), LOOP: (0, 6, 8, 9)}
"""The digits of which each label and attribute is true."""
GROUPS = {LARGE: ("0 to 4", "5 to 9"), LOOP: ("without a loop", "with a loop: 0, 6, 8, 9")}
FILE = "digits.csv.gz"


class Digits(Dataset):
    """1,797 digits, nothing missing."""

    name = "digits"
    summary = "digits: parity or size of 1,797 handwritten digits, 8 x 8 grey pictures, bundled with scikit-learn"
    labels = (EVEN, LARGE)
    attributes = (LARGE, LOOP)
    n_features = SIDE**2

    def card(self, options: Settings) -> Card:
        return self.card_of(self.labels[0], options)

    def card_of(self, label: str, options: Settings) -> Card:
        about, counts = _cards.packaged(self.name), _counts()
        known = {
            "rows": sum(counts), "labelRate": _share(counts, DIGITS[label]),
            "groups": {name: _rows_and_rates(label, name) for name in self.attributes},
        }  # fmt: skip
        return about.card(known, label=label, source=f"{SOURCE}; {about['url']}")

    def reads(self, *, files: Mapping[str, Path], options: Settings) -> tuple[str, ...]:
        return (*PIXELS, "digit")

    def shape(self, options: Settings) -> tuple[int, ...]:
        return (1, SIDE, SIDE)

    def cells(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings) -> Cells:
        """Return the counts, exactly. Raises PopleakError, so that the plan does, for an attribute that is the label."""
        self._chosen(label, attribute)
        digit = np.repeat(np.arange(10), _counts())
        return Cells.of(np.isin(digit, DIGITS[label]), np.isin(digit, DIGITS[attribute]), exact=True)

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        from sklearn.datasets import load_digits

        self._chosen(label, attribute)
        expected = _cards.packaged(self.name).sources()[FILE].sha256
        if (found := _digest()) != expected:
            raise PopleakError(f"{SOURCE}: {FILE}: sha256 expected {expected}, found {found}: {REMEDY}")
        pixels, digit = load_digits(return_X_y=True)
        counts = _counts()
        if pixels.shape != (sum(counts), SIDE**2) or tuple(np.bincount(digit)) != counts:
            raise PopleakError(f"{SOURCE}: not the {sum(counts)} pictures expected: {REMEDY}")
        if pixels.min() < 0 or pixels.max() > BRIGHTEST:
            raise PopleakError(f"{SOURCE}: pixels must lie in 0 to {BRIGHTEST:.0f}: {REMEDY}")
        y, a = (np.isin(digit, DIGITS[name]).astype(np.int8) for name in (label, attribute))
        # a pixel at the edge that is the same in all pictures stays, since a picture has all its pixels
        return Records(
            x=((pixels - MEAN) / SPREAD).astype(np.float32), y=y, a=a,
            features=PIXELS,
            groups=GROUPS[attribute], facts=_tables.measured(y=y, a=a),
        )  # fmt: skip

    def _chosen(self, label: str, attribute: str) -> None:
        """Raise PopleakError unless there is such a label and attribute, and they differ."""
        _tables.choose(dataset=self, label=label, attribute=attribute)
        if label == attribute:
            raise PopleakError(f"digits: attribute {attribute!r} is the label: choose {LOOP}, or label: {EVEN}")


def _share(counts: tuple[int, ...], digits: tuple[int, ...]) -> float:
    return round(sum(counts[digit] for digit in digits) / sum(counts), _tables.RATE_DIGITS)


def _counts() -> tuple[int, ...]:
    """Return the rows of each digit."""
    return tuple(_cards.packaged(Digits.name).expected()["digits"])


def _digest() -> str:
    """Return the SHA-256 of scikit-learn's file."""
    from sklearn.datasets import data

    return hashlib.sha256(resources.files(data).joinpath(FILE).read_bytes()).hexdigest()


def _rows_and_rates(label: str, attribute: str) -> dict[str, tuple[float, float] | None]:
    """Return the rows of both groups and their label rates; no rates where the attribute is the label itself."""
    inside = DIGITS[attribute]
    counts = [
        tuple(rows * ((digit in inside) == group) for digit, rows in enumerate(_counts())) for group in (False, True)
    ]
    rows = (sum(counts[0]), sum(counts[1]))
    if label == attribute:
        return {"rows": rows, "labelRates": None}
    return {"rows": rows, "labelRates": (_share(counts[0], DIGITS[label]), _share(counts[1], DIGITS[label]))}


PLUGIN = Digits()
