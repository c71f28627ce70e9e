"""The sensitive attributes of ACS Income: the column of each, the codes of its two groups, and what the card says of it.

Codes are those of the survey's data dictionaries of 2014 to 2024, which agree on these columns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Attribute

if TYPE_CHECKING:
    import pandas as pd

LAST_STATE = 56  # POBP: up to here the 50 states and DC (0 where they are not told apart), above it abroad
RECORDED = "by the survey, as the household's respondent reported"
NEITHER = "other"
"""What the facts call a person who is in neither group of a second attribute."""


@dataclass(frozen=True)
class Groups:
    """Group 0 and group 1 of an attribute: their names and the codes of `column` that make them. A person with any other code, or none, is
    in neither. about: how the groups were made, for the card."""

    column: str
    names: tuple[str, str]
    codes: tuple[Collection[int], Collection[int]]
    about: str = ""

    def attribute(self, **known: Any) -> Attribute:
        """Return what the card says; known: its `rows` and `rates`."""
        return Attribute(self.names, f"{RECORDED}{'; ' if self.about else ''}{self.about}", **known)

    def of(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the group of each row (N,) int8: 0, 1, or -1 for neither."""
        column = frame[self.column]
        group = np.full(len(frame), -1, dtype=np.int8)
        for number, codes in enumerate(self.codes):
            group[column.isin(list(codes)).to_numpy()] = number
        return group

    def named(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the name of each row's group (N,), `NEITHER` included."""
        return np.array([NEITHER, *self.names])[self.of(frame) + 1]


GROUPS: Mapping[str, Groups] = {
    "sex": Groups("SEX", ("Male", "Female"), ((1,), (2,))),
    "race": Groups("RAC1P", ("White", "Black"), ((1,), (2,)), "RAC1P 1 and 2, others left out"),
    # 40 is the age from which US federal law (ADEA) forbids discrimination by age at work
    "age": Groups("AGEP", ("under 40", "40 and over"), (range(17, 40), range(40, 121)), "AGEP, in years; cut at 40"),
    "marital": Groups(
        "MAR", ("married", "never married"), ((1,), (5,)),
        "MAR 1 and 5, others left out; the relationship to the householder, where a file has it, stays a feature and tells most spouses",
    ),
    "education": Groups(
        "SCHL", ("bachelor's or more", "less"), (range(21, 25), range(1, 21)),
        "SCHL 21 and above against the rest; the years of schooling are no feature then",
    ),
    "birthplace": Groups(
        "POBP", ("US", "abroad"), (range(LAST_STATE + 1), range(LAST_STATE + 1, 555)),
        f"POBP up to {LAST_STATE}, the 50 states and DC, against all others, so that Puerto Rico and the Island Areas are abroad",
    ),
    "employer": Groups(
        "COW", ("private", "government"), ((1, 2), (3, 4, 5)),
        "COW 1 and 2 against 3 to 5; the self-employed and the unpaid left out",
    ),
}  # fmt: skip
"""By attribute, the first being the default. Every file of the task has these columns. The column of the attribute is no feature."""

SAMPLE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "sex": {"rows": (51967, 48033), "rates": (0.4424, 0.2873)},
    "race": {"rows": (78091, 8812), "rates": (0.3898, 0.2451)},
    "age": {"rows": (42868, 57132), "rates": (0.2409, 0.4632)},
    "marital": {"rows": (54670, 30824), "rates": (0.4737, 0.1831)},
    "education": {"rows": (35895, 64105), "rates": (0.5974, 0.2394)},
    "birthplace": {"rows": (83678, 16322), "rates": (0.3757, 0.3278)},
    "employer": {"rows": (73962, 15076), "rates": (0.3485, 0.4618)},
}
"""Rows and label rates of the groups in the sample of 2018, counted there and checked on load."""
