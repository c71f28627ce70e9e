"""Codes that a loader knows. What it does not know is refused, and never joined to the rest.

A comparison (`== 1`) makes all else the other class: labels in another coding, misspelt or missing ones. So a loader
says first which values there may be. pandas is imported inside the functions, since the plan imports every dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import PopleakError
from ._tables import REMEDY

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 4
"""Unknown values that a message names; more of them may point at people."""
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


def known(
    *, frame: pd.DataFrame, allowed: Mapping[str, Collection[object]], file: str | Path, remedy: str = REMEDY
) -> None:
    """Raise PopleakError unless each named column of `frame` holds allowed values only; a missing value is not."""
    for column, values in allowed.items():
        unknown = ~frame[column].isin(list(values))
        if unknown.any():
            raise _refusal(frame[column][unknown], _listed(values), file=file, column=column, remedy=remedy)


def whole(
    *, values: pd.Series, allowed: Collection[int], file: str | Path, column: str, remedy: str = REMEDY
) -> pd.Series:
    """Return the codes (N,) as float64, NaN where the field is empty. Text that is a number is that number: `0230` is 230.

    Raises PopleakError for text that is none, for a fraction, and for a code that is not in `allowed`.
    """
    import pandas as pd

    if values.dtype.kind not in "biuf":  # text, exact decimals, dates
        values = values.astype(object).where(values.notna()).map(lambda value: str(value).strip(), na_action="ignore")
        values = values.where(values != "")
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    if isinstance(allowed, range):
        fit = (numbers >= allowed.start) & (numbers < allowed.stop) & (numbers % 1 == 0)
    else:
        fit = numbers.isin(list(allowed))
    unknown = ~fit & values.notna()
    if unknown.any():
        said = f"{_listed(allowed)}, or nothing"
        raise _refusal(values[unknown], said, file=file, column=column, remedy=remedy)
    return numbers


def binary(*, values: pd.Series, file: str | Path, column: str, remedy: str = REMEDY) -> np.ndarray:
    """Return labels (N,) int8 from 0 and 1 or false and true, as numbers, booleans or text.

    Raises PopleakError for any other value, and for a missing one.
    """
    text = values.astype(object).map(lambda value: str(value).strip().lower())
    unknown = ~text.isin(list(LABELS)) | values.isna()
    if unknown.any():
        raise _refusal(values[unknown], "0, 1, false, true", file=file, column=column, remedy=remedy)
    return text.map(LABELS).to_numpy(dtype=np.int8)


def _refusal(values: pd.Series, allowed: str, *, file: str | Path, column: str, remedy: str) -> PopleakError:
    """Return the error that names what was found and what there may be."""
    found = sorted({repr(value[:30]) for value in values.dropna().astype(str).unique()[: 10 * SHOWN]})
    shown = found[:SHOWN] + (["no value"] if values.isna().any() else [])
    more = ", ..." if len(found) > SHOWN else ""
    rows = "1 row" if len(values) == 1 else f"{len(values):,} rows"
    return PopleakError(
        f"{file}: column {column!r} holds {', '.join(shown)}{more} in {rows}, and may hold {allowed}: {remedy}"
    )


def _listed(allowed: Collection[object]) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start} to {allowed.stop - 1}"
    return ", ".join(str(value) for value in allowed)
