"""Columns of the owner's own table for a model that takes them: as pandas reads them, with the numbers and gaps that the records have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._numbers import Numbers
from ._sheet import Column

if TYPE_CHECKING:
    import pandas as pd

EXACT = 2**53
"""Whole numbers up to this are the same as int64 and as float64."""
DIGITS = 1e-12
"""Relative difference of one text's number by two parsers, which may differ in the last digit."""


def column(there: pd.Series, raw: Column, read: Column, numbers: Numbers | None) -> pd.Series:
    """Return a column (N,) as pandas reads it, unless the records are made of other values.

    there: as pandas reads it; raw, read: as it stands in the file, and without the values that mean a missing one; numbers: what `read.values`
    stand for. A field that was read as a number is that number, whole ones as int64. A value that means a missing one is NaN.
    """
    import pandas as pd

    if read.kind == "field" and numbers is not None and numbers.whole:
        values = np.append(numbers.values, np.nan)[read.codes]  # the last entry serves the code -1
        return there if _equal(there, values) else pd.Series(_typed(values), index=there.index, name=there.name)
    gone = (read.codes < 0) & (raw.codes >= 0)
    return there.mask(gone) if gone.any() else there


def _equal(there: pd.Series, values: np.ndarray) -> bool:
    """Return whether pandas read the same numbers."""
    if there.dtype.kind not in "iuf":
        return False
    return bool(np.allclose(there.to_numpy(dtype=np.float64), values, rtol=DIGITS, atol=0, equal_nan=True))


def _typed(values: np.ndarray) -> np.ndarray:
    whole = np.isfinite(values).all() and (values == np.round(values)).all() and (np.abs(values) <= EXACT).all()
    return values.astype(np.int64) if whole else values
