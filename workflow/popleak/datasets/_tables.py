"""What the loaders of tables share: reading with clear errors, checking against the card, building the records.

pandas is imported inside the functions, since the plan imports every dataset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import PopleakError
from . import _encode
from .base import Attribute, Card, Dataset, Records

if TYPE_CHECKING:
    import pandas as pd

RATE_DIGITS = 4
"""Cards state rates to this many digits; a rate agrees with the card if it rounds to the card's."""
BEYOND = 6.0
"""Standard errors that no draw of a law is away from it."""
REMEDY = "delete it and fetch the publisher's unchanged file again"


def choose(*, dataset: Dataset, label: str, attribute: str) -> None:
    """Raise PopleakError naming the key unless the dataset has this label and this sensitive attribute."""
    for key, value, allowed in (("label", label, dataset.labels), ("attribute", attribute, dataset.attributes)):
        if value not in allowed:
            raise PopleakError(f"{dataset.name}: {key} {value!r} is unknown: choose from {', '.join(allowed)}")


def given(*, files: Mapping[str, Path], file: str) -> Path:
    """Return the path of the raw file `file`. Raises PopleakError if it was not given or is not there."""
    path = files.get(file)
    if path is None or not Path(path).is_file():
        raise PopleakError(f"{path or file}: no such file: run `popleak data` to see what is missing and how to get it")
    return Path(path)


def read_csv(*, path: Path, twice: Sequence[str] = (), **arguments: Any) -> pd.DataFrame:
    """Return `pandas.read_csv(path, **arguments)` of a publisher's file in which every line has as many fields as the header.

    With `usecols` pandas does not count the fields itself, and reads a line with one too many shifted. twice: columns that
    stand in the header more than once, of which the first is the one that bears the name.
    Raises PopleakError naming the file and what is wrong with it.
    """
    import pandas as pd

    from . import _reading

    names, separator = arguments.get("names"), arguments.get("sep", ",")
    _reading.check_fields(
        path, width=None if names is None else len(names), separator=separator if len(separator) == 1 else None,
        comment=arguments.get("comment"), twice=twice, remedy=REMEDY,
    )  # fmt: skip
    try:
        return pd.read_csv(path, **arguments)
    except OSError as error:
        raise PopleakError(
            f"{path}: cannot be read ({error.strerror or error}): check the path and its rights"
        ) from error
    except (ValueError, pd.errors.ParserError) as error:  # also bad encodings, missing columns and empty files
        raise PopleakError(f"{path}: not the table expected ({_line(error)}): {REMEDY}") from error


def numbers(*, frame: pd.DataFrame, columns: Sequence[str], file: str) -> None:
    """Turn `columns` of `frame` into float64 in place. Raises PopleakError for text and for empty fields."""
    import pandas as pd

    for column in columns:
        values = pd.to_numeric(frame[column], errors="coerce")
        if values.isna().any():
            raise PopleakError(
                f"{file}: column {column!r} holds {int(values.isna().sum())} fields without a number: {REMEDY}"
            )
        frame[column] = values.astype(np.float64)


def compare(*, file: str, what: str, expected: float | None, found: float, remedy: str = REMEDY) -> None:
    """Raise PopleakError unless a count, or a rate to `RATE_DIGITS` digits, is the expected one (None: unknown)."""
    if expected is None:
        return
    tolerance = 0.5001 * 10.0**-RATE_DIGITS if isinstance(expected, float) else 0
    if not abs(found - expected) <= tolerance:  # so written that NaN fails
        shown = f"{found:.{RATE_DIGITS}f}" if isinstance(expected, float) else f"{found}"
        raise PopleakError(f"{file}: {what}: expected {expected}, found {shown}: {remedy}")


def check(*, card: Card, attribute: str, file: str, y: np.ndarray, group: np.ndarray, remedy: str = REMEDY) -> None:
    """Raise PopleakError unless rows and rates are the card's.

    y (N,) labels after the dataset's own filters; group (N,) holds 0, 1, or -1 where the record is in neither group.
    """
    compare(file=file, what="rows", expected=card.rows, found=len(y), remedy=remedy)
    compare(file=file, what="label rate", expected=card.label_rate, found=_mean(y), remedy=remedy)
    check_groups(about=card.attributes[attribute], file=file, y=y, group=group, remedy=remedy)


def check_groups(*, about: Attribute, file: str, y: np.ndarray, group: np.ndarray, remedy: str = REMEDY) -> None:
    """Raise PopleakError unless the groups' rows and label rates are the card's. y, group: as for `check`."""
    for number, name in enumerate(about.groups):
        member = group == number
        if about.rows is not None:
            what = f"rows of {name}"
            compare(file=file, what=what, expected=about.rows[number], found=int(member.sum()), remedy=remedy)
        if about.rates is not None:
            what = f"label rate of {name}"
            compare(file=file, what=what, expected=about.rates[number], found=_mean(y[member]), remedy=remedy)


def check_draw(*, card: Card, attribute: str, what: str, y: np.ndarray, group: np.ndarray) -> None:
    """Raise PopleakError unless a draw has the card's rows, and label rates that the card's law gives but once in a billion draws."""
    remedy = "the generator is not the one that its card describes: install the package again"
    about = card.attributes[attribute]
    compare(file=what, what="rows", expected=card.rows, found=len(y), remedy=remedy)
    for number, rate in enumerate(about.rates or ()):
        member = y[group == number]
        if not abs(_mean(member) - rate) <= BEYOND * np.sqrt(rate * (1 - rate) / max(len(member), 1)):
            raise PopleakError(
                f"{what}: label rate of {about.groups[number]}: expected {rate:.4f}, found {_mean(member):.4f}: {remedy}"
            )


def records(
    *,
    frame: pd.DataFrame,
    y: np.ndarray,
    group: np.ndarray,
    groups: tuple[str, str],
    numeric: Sequence[str],
    categorical: Sequence[str],
    unit: np.ndarray | None = None,
    facts: Mapping[str, Any] | None = None,
    second: tuple[str, np.ndarray] | None = None,
) -> Records:
    """Return the records of both groups, encoded.

    frame: N rows with the columns `numeric` and `categorical` and nothing missing; y (N,) 0/1; group (N,) 0, 1 or -1
    for rows to leave out, which is done before the encoding so that they leave no trace in it. second: name of a second
    sensitive attribute and its value for each row (N,), which become the subgroup and the facts `second_attribute` and
    `subgroups`.
    """
    y, group = np.asarray(y), np.asarray(group)
    keep = group >= 0
    frame, kept_y, a = frame.loc[keep], y[keep].astype(np.int8), group[keep].astype(np.int8)
    blocks = [_encode.numeric(name=column, values=frame[column].to_numpy()) for column in numeric]
    blocks += [_encode.categorical(name=column, values=frame[column].to_numpy()) for column in categorical]
    x, features = _encode.stack(blocks=blocks)
    found = measured(y=kept_y, a=a)
    # rows without a label are counted by themselves
    found["rows_in_neither_group"] = int((~keep).sum()) - int((facts or {}).get("rows_without_label", 0))
    subgroup = None
    if second is not None:
        names, codes = np.unique(np.asarray(second[1])[keep].astype(str), return_inverse=True)
        subgroup = codes.astype(np.int8)
        found |= {"second_attribute": second[0], "subgroups": names.tolist()}
    return Records(
        x=x,
        y=kept_y,
        a=a,
        features=features,
        groups=groups,
        unit=None if unit is None else unit[keep].astype(np.int64),
        facts={**found, **(facts or {})},
        subgroup=subgroup,
    )


def measured(*, y: np.ndarray, a: np.ndarray, classes: int = 2) -> dict[str, Any]:
    """Return rows, label rate, and both by group: the facts that every dataset's records carry. With more than two classes the rates
    are of each class."""
    if classes > 2:
        return {
            "rows": len(y),
            "class_rates": shares(y, classes),
            "group_rows": [int((a == number).sum()) for number in (0, 1)],
            "group_class_rates": [shares(y[a == number], classes) for number in (0, 1)],
        }
    return {
        "rows": len(y),
        "label_rate": _mean(y),
        "group_rows": [int((a == number).sum()) for number in (0, 1)],
        "group_rates": [_mean(y[a == number]) for number in (0, 1)],
    }


def shares(y: np.ndarray, classes: int) -> list[float]:
    """Return the share of each class among labels y (N,)."""
    return (np.bincount(y, minlength=classes) / max(len(y), 1)).tolist()


def filled(*, card: Card, attribute: str, records: Records) -> Card:
    """Return the card with the numbers that it leaves open (a user's own table, say) taken from the records."""
    found = measured(y=records.y, a=records.a)
    about = card.attributes[attribute]
    about = dataclasses.replace(
        about, rows=about.rows or tuple(found["group_rows"]), rates=about.rates or tuple(found["group_rates"])
    )
    return dataclasses.replace(
        card,
        rows=found["rows"] if card.rows is None else card.rows,
        label_rate=found["label_rate"] if card.label_rate is None else card.label_rate,
        attributes={**card.attributes, attribute: about},
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
