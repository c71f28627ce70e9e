"""Handwritten digits of 8 x 8 pixels, bundled with scikit-learn: is the digit even, or five or more?

The rows are the test part of UCI's set: 13 people wrote them, none of whom wrote for the part that is left out. The copy holds no number of the
writer, so one writer's digits may be in several pools. Groups are made of digits and are nobody's attribute: what leaks here says how, and
harms no one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.errors import PopleakError
from ..core.settings import Settings
from . import _tables
from .base import Attribute, Card, Cells, Dataset, Records

SIDE = 8
BRIGHTEST = 16.0
"""Pixels are counts of ink in blocks of 4 x 4 dots."""
MEAN, SPREAD = 4.88, 6.02
"""Mean and standard deviation of all pixels of the set, rounded: constants, so no row is needed to know them."""
SOURCE = "scikit-learn (sklearn.datasets.load_digits)"
REMEDY = "install scikit-learn's own build again"
EVEN, LARGE, LOOP = "even", "large", "loop"
DIGITS = {EVEN: (0, 2, 4, 6, 8), LARGE: (5, 6, 7, 8, 9), LOOP: (0, 6, 8, 9)}
"""The digits of which each label and attribute is true."""
LABELS = {EVEN: "even: an even digit against an odd one", LARGE: "large: 5 to 9 against 0 to 4"}
GROUPS = {LARGE: ("0 to 4", "5 to 9"), LOOP: ("without a loop", "with a loop: 0, 6, 8, 9")}
COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""Rows of each digit."""


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
        return Card(
            title="Optical recognition of handwritten digits, test part, 8 x 8 grey",
            source=f"{SOURCE}; https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            licence="CC BY 4.0",
            citation="Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository. "
            "doi:10.24432/C50P49",
            label=LABELS[label],
            attributes={
                name: Attribute(
                    groups, "from the digit, which the writer was told to write", *_rows_and_rates(label, name)
                )
                for name, groups in GROUPS.items()
            },
            rows=sum(COUNTS),
            label_rate=_share(COUNTS, DIGITS[label]),
            notes=(
                "groups are made of digits, not of people: a stand-in for a sensitive attribute in small pictures",
                "13 people wrote the digits; the copy does not say who wrote which, so pools may share a writer",
                "1,797 rows are few: intervals are wide",
            ),
        )

    def shape(self, options: Settings) -> tuple[int, ...]:
        return (1, SIDE, SIDE)

    def cells(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings) -> Cells:
        """Return the counts, exactly. Raises PopleakError, so that the plan does, for an attribute that is the label."""
        self._chosen(label, attribute)
        digit = np.repeat(np.arange(10), COUNTS)
        return Cells.of(np.isin(digit, DIGITS[label]), np.isin(digit, DIGITS[attribute]), exact=True)

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        from sklearn.datasets import load_digits

        self._chosen(label, attribute)
        pixels, digit = load_digits(return_X_y=True)
        if pixels.shape != (sum(COUNTS), SIDE**2) or tuple(np.bincount(digit)) != COUNTS:
            raise PopleakError(f"{SOURCE}: not the {sum(COUNTS)} pictures expected: {REMEDY}")
        if pixels.min() < 0 or pixels.max() > BRIGHTEST:
            raise PopleakError(f"{SOURCE}: pixels must lie in 0 to {BRIGHTEST:.0f}: {REMEDY}")
        y, a = (np.isin(digit, DIGITS[name]).astype(np.int8) for name in (label, attribute))
        # a pixel at the edge that is the same in all pictures stays, since a picture has all its pixels
        return Records(
            x=((pixels - MEAN) / SPREAD).astype(np.float32), y=y, a=a,
            features=tuple(f"pixel {i},{j}" for i in range(SIDE) for j in range(SIDE)),
            groups=GROUPS[attribute], facts=_tables.measured(y=y, a=a),
        )  # fmt: skip

    def _chosen(self, label: str, attribute: str) -> None:
        """Raise PopleakError unless there is such a label and attribute, and they differ."""
        _tables.choose(dataset=self, label=label, attribute=attribute)
        if label == attribute:
            raise PopleakError(f"digits: attribute {attribute!r} is the label: choose {LOOP}, or label: {EVEN}")


def _share(counts: tuple[int, ...], digits: tuple[int, ...]) -> float:
    return round(sum(counts[digit] for digit in digits) / sum(counts), _tables.RATE_DIGITS)


def _rows_and_rates(label: str, attribute: str) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """Return the rows of both groups and their label rates; no rates where the attribute is the label itself."""
    inside = DIGITS[attribute]
    counts = [tuple(COUNTS[digit] * ((digit in inside) == group) for digit in range(10)) for group in (False, True)]
    rows = (sum(counts[0]), sum(counts[1]))
    if label == attribute:
        return rows, None
    return rows, (_share(counts[0], DIGITS[label]), _share(counts[1], DIGITS[label]))


PLUGIN = Digits()
