"""The sensitive attributes of ACS Income: the column of each, and the codes of its two groups.

Codes are those of the survey's data dictionaries of 2014 to 2024, which agree on these columns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LAST_STATE = 56  # POBP: up to here the 50 states and DC (0 where they are not told apart), above it abroad
NEITHER = "other"
"""What the facts call a person who is in neither group of a second attribute."""


@dataclass(frozen=True)
class Groups:
    """Group 0 and group 1 of an attribute: their names and the codes of `column` that make them. A person with any other code, or none, is
    in neither."""

    column: str
    names: tuple[str, str]
    codes: tuple[Collection[int], Collection[int]]

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
    "race": Groups("RAC1P", ("White", "Black"), ((1,), (2,))),
    # 40 is the age from which US federal law (ADEA) forbids discrimination by age at work
    "age": Groups("AGEP", ("under 40", "40 and over"), (range(17, 40), range(40, 121))),
    "marital": Groups("MAR", ("married", "never married"), ((1,), (5,))),
    "education": Groups("SCHL", ("bachelor's or more", "less"), (range(21, 25), range(1, 21))),
    "birthplace": Groups("POBP", ("US", "abroad"), (range(LAST_STATE + 1), range(LAST_STATE + 1, 555))),
    "employer": Groups("COW", ("private", "government"), ((1, 2), (3, 4, 5))),
}
"""By attribute, the first being the default. Every file of the task has these columns. The column of the attribute is no feature."""
