"""A table's columns as features: numbers or categories, filled, with all that is wrong or doubtful said.

Missing numbers become the median of the rows kept, with a further feature `<column> missing`; missing categories become the
category `missing`. Neither may be there already in the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from . import _identifiers
from ._meaning import Findings, Values, same, text, variants
from ._numbers import DATE, MISSING_WORDS, PLAIN, Numbers
from ._sheet import Column

DATES = "holds dates or times"
"""Why a column of dates is no feature."""
MOST_CATEGORIES = 50
"""More values than this make a text column useless as one-hot features, and often point at single people."""
FEWEST_ROWS = 50
"""With fewer rows, numbers without gap or repetition may be chance, and so may a feature that orders the label."""
LARGEST = 1e100
"""Beyond this a square of a number overflows."""
EXACT = 2.0**53
"""From here on two whole numbers may be one in double precision."""
ALONE = 0.95
"""AUC from which a feature is said to give the label or the group away by itself; `is_recid` of COMPAS has 0.97."""
FLATTENED = 0.1
"""A value is absurd if the column's standard deviation falls below this share once it is taken away."""
CODES = re.compile(
    r"(^|[^a-z])(id|code|codes|cd|zip|zipcode|plz|postal|postcode|nr|no|type|kind|category|cat|region|state|county|district|"
    r"occupation|occ|job|industry|branch|sector|dept|department|race|ethnicity|marital|religion|nation|country|citizen)([^a-z]|$)"
)
CODED_END = re.compile(r"(_?code|_?id|_?type|_?cd)$")


class Features(NamedTuple):
    """The columns by name, each (N,): float64 for those in `numeric`, text for those in `categorical`."""

    columns: dict[str, np.ndarray]
    numeric: list[str]
    categorical: list[str]


class Rows(NamedTuple):
    """The rows kept (N,) bool, and of all rows y and a (N,), which say nothing where `keep` is false."""

    keep: np.ndarray
    y: np.ndarray
    a: np.ndarray


def features(
    columns: Mapping[str, Column],
    values: Mapping[str, Values],
    numbers: Mapping[str, Numbers | None],
    *,
    codes: Collection[str],
    keep: Collection[str] = (),
    rows: Rows,
    findings: Findings,
) -> Features:
    """Return the features. values, numbers: the columns as text and, where they may be numbers, as numbers; codes, keep: what the options
    of these names list."""
    found = Features({}, [], [])
    for name, column in columns.items():
        mine = values[name]
        present = mine.codes[rows.keep & (mine.codes >= 0)]
        read = numbers.get(name) if column.kind == "field" else None
        if column.kind == "nested":
            findings.refuse(name, "holds nested values or bytes", "name it in options.drop")
        elif not len(present):
            findings.refuse(name, "is empty", "name it in options.drop")
        elif name in codes or column.kind == "bool":
            _category(found, mine, present, rows, findings)
        elif why := _no_number(column.kind, mine, read):
            findings.refuse(name, *why)
        elif mine.numbers is not None:
            _number(found, mine, mine.numbers, columns, rows, findings)
        elif read is None or not _mostly(mine, column, read, findings):
            _category(found, mine, present, rows, findings)
        if len(present) and name not in keep and name not in findings.columns:
            _identifier(mine, present, findings)
    return found


def _identifier(values: Values, present: np.ndarray, findings: Findings) -> None:
    """Refuse a column that looks like a direct identifier, which no model should see unless somebody says so."""
    why = _identifiers.seen(
        values.name, [values.texts[i] for i in np.unique(present)],
        rows=len(present), number=values.numbers is not None, own=values.name in findings.kinds.get("own number", ()),
    )  # fmt: skip
    if why:
        findings.refuse(values.name, why, "name it in options.drop, or in options.keep if it is to be a feature")


def _no_number(kind: str, values: Values, read: Numbers | None) -> tuple[str, str] | None:
    """Return why a column that is not named as one of codes cannot be read, and the remedy; None where it can.

    kind: of the column; read: its numbers, None where a field's may be read in two ways.
    """
    if kind == "date" or (kind == "field" and all(map(DATE.fullmatch, values.texts))):
        return DATES, "turn them into numbers, or name it in options.drop or options.categorical"
    if kind == "field" and read is None:
        example = next(value for value in values.texts if "," in value or "." in value)
        return f"{example!r} may have thousands or decimals", 'give `decimal: "."` or `decimal: ","`'
    return None


def _mostly(values: Values, column: Column, numbers: Numbers, findings: Findings) -> bool:
    """Say whether a column of numbers is spoilt by a few values that are none; a problem if it cannot be categories."""
    bad = np.isnan(_by_text(values, numbers)) & ~np.array([word.casefold() in MISSING_WORDS for word in values.texts])
    spoilt = int(values.counts[bad].sum())
    if spoilt * 2 >= values.counts.sum():
        return False
    if not bad.any():  # all are numbers, but written in several ways
        findings.refuse(values.name, *_unlike(column, numbers))
        return True
    marks = [values.texts[i] for i in np.flatnonzero(bad)]
    listed = f"missing: {marks}" if len(marks) <= 5 else "a list of them as `missing`"
    said = f"{values.counts.sum() - spoilt} values are numbers and {spoilt} are not, {values.shown(bad)}"
    if len(values.texts) > MOST_CATEGORIES:
        findings.refuse(values.name, said, f"if they mean a missing number give {listed}, else repair the file")
        return True
    findings.hint(
        values.name, f"{said}, so it is read as categories: if they mean a missing number give {listed}", "marks"
    )
    return False


def _unlike(column: Column, numbers: Numbers) -> tuple[str, str]:
    """Return how numbers of a column are not written alike, each way with an example, and the remedy."""
    other = {",": ".", ".": ","}[numbers.point]
    odd = [column.values[i] for i in np.flatnonzero(numbers.others)]
    if odd:
        said = f"{odd[0]!r} is no number where the decimal sign is {numbers.point!r}"
        return (
            said,
            f'give `decimal: "{other}"` or leave `decimal` out if that is the sign in all columns, else write them alike',
        )
    bare = next((one for one in column.values if PLAIN.fullmatch(one)), "")
    signed = [one for one in column.values if not set(one) <= set("0123456789.,+- ")]
    examples = " and ".join(repr(one) for one in (signed[0], bare or signed[-1]))
    return f"{examples}: some numbers have a sign such as $ or % and others do not", "write them alike"


def _by_text(values: Values, numbers: Numbers) -> np.ndarray:
    """Return the number of each of the column's texts (k,)."""
    from ._numbers import parse

    return parse(values.texts, numbers.point).values


def _category(found: Features, values: Values, present: np.ndarray, rows: Rows, findings: Findings) -> None:
    different = np.unique(present)
    if len(different) == len(present) > 2:
        findings.refuse(values.name, "every row has its own value, like an identifier", "name it in options.drop")
        return
    if len(different) > MOST_CATEGORIES:
        said = f"has {len(different)} different values{_tail(values)}, the limit is {MOST_CATEGORIES}"
        findings.refuse(values.name, said, "join values, or name it in options.drop")
        return
    empty = bool((values.codes[rows.keep] < 0).any())
    if empty and "missing" in {values.texts[i] for i in different}:
        said = "has empty fields and the value 'missing', which would be one category"
        findings.refuse(values.name, said, "write another word for the value, or give missing: [missing] to join them")
        return
    if len(different) == 1 and not empty:
        findings.notes.append(f"column {values.name!r}: is constant, so it is not used as a feature")
    for group in variants(values.texts[i] for i in different):
        findings.hint(
            values.name, f"{same(group)}, and are two categories: if they are one, write them alike in the file"
        )
    _alone(values, np.zeros(0), rows, findings)
    found.columns[values.name] = np.array([*values.texts, "missing"], dtype=object)[values.codes]
    found.categorical.append(values.name)


def _tail(values: Values) -> str:
    """Say what follows each number, where a column holds numbers with one word behind them."""
    ends = {re.sub(r"^[+-]?[0-9][0-9.,]*\s*", "", value) for value in values.texts}
    return f", numbers followed by {min(ends)!r}" if len(ends) == 1 and min(ends) else ""


def _number(
    found: Features, values: Values, number: np.ndarray, names: Collection[str], rows: Rows, findings: Findings
) -> None:
    """Add a column of numbers. number (k,): what its values stand for; names: of all columns that become features."""
    kept = rows.keep & (values.codes >= 0)
    if (np.abs(number[~np.isnan(number)]) > LARGEST).any():
        remedy = "repair the file, or list them in `missing`"
        findings.refuse(values.name, "holds infinite or absurdly large numbers", remedy)
        return
    large = np.abs(number) >= EXACT
    if len(np.unique(number[large])) < large.sum():
        remedy = "if it names people or cases, name it in options.drop"
        findings.refuse(values.name, "holds whole numbers so large that they cannot be distinguished", remedy)
        return
    full = np.append(number, np.nan)[values.codes]
    missing = np.isnan(full)
    seen = full[kept & ~missing]
    if not len(seen):
        findings.refuse(values.name, "is empty", "name it in options.drop")
        return
    if not missing.any() and len(full) >= FEWEST_ROWS and _numbered(full):
        findings.refuse(values.name, "numbers the rows, like an identifier", "name it in options.drop")
        return
    name = f"{values.name} missing"
    if missing[rows.keep].any() and name in names:
        said = f"has missing values, and the additional feature {name!r} that says where has the name of another column"
        findings.refuse(values.name, said, "rename one, or name one in options.drop")
        return
    if seen.min() == seen.max() and not missing[rows.keep].any():
        findings.notes.append(f"column {values.name!r}: is constant, so it is not used as a feature")
    different, counts = np.unique(seen, return_counts=True)
    if _own(different, counts):
        said = "has a different number in nearly every row: if it names people or cases, name it in options.drop"
        findings.hint(values.name, said, "own number")
    else:
        _coded(values, different, findings)
        _flattened(values, number, different, counts, findings)
    _alone(values, number, rows, findings)
    found.columns[values.name] = np.where(missing, np.median(seen), full)
    found.numeric.append(values.name)
    if missing[rows.keep].any():
        found.columns[name] = missing.astype(np.float64)
        found.numeric.append(name)


def _numbered(number: np.ndarray) -> bool:
    """Say whether the numbers are whole, all different and without a gap."""
    span = number.max() - number.min() + 1
    return span == len(number) and bool((number % 1 == 0).all()) and len(np.unique(number)) == len(number)


def _own(different: np.ndarray, counts: np.ndarray) -> bool:
    """Say whether whole numbers (d,) are another one in nearly every row. counts (d,): the rows of each."""
    rows = counts.sum()
    return rows >= FEWEST_ROWS and len(different) > 0.95 * rows and bool((different % 1 == 0).all())


def _coded(values: Values, different: np.ndarray, findings: Findings) -> None:
    """Hint at whole numbers (d,) that are no quantity: dates and codes."""
    if len(different) <= 2 or not (different % 1 == 0).all():
        return
    if all(map(_is_day, different)):
        said = f"numbers such as {text(different[0])} look like dates: turn them into years or ages, or drop it"
        findings.hint(values.name, said, "date")
    elif _is_code(values, different):
        said = f"its {len(different)} whole numbers look like codes, and are read as quantities: if they are codes, name it in "
        findings.hint(values.name, said + "options.categorical or options.drop", "codes")


def _flattened(
    values: Values, number: np.ndarray, different: np.ndarray, counts: np.ndarray, findings: Findings
) -> None:
    """Hint at those of the numbers (d,) that lie so far from the others that these become nearly one.

    number (k,): what each text stands for; counts (d,): the rows of each number.
    """
    worst = _absurd(different, counts)
    if worst:
        written = {value: word for word, value in zip(values.texts, number, strict=True)}
        shown = " and ".join(f"{written[value]} ({many} {'row' if many == 1 else 'rows'})" for value, many in worst)
        marks = ", ".join(written[value] for value, _ in worst)
        said = f"{shown} is far from all other values and flattens the feature: if it means missing, give missing: [{marks}]"
        findings.hint(values.name, said, "absurd")


def _is_day(number: float) -> bool:
    year, month, day = int(number) // 10000, int(number) // 100 % 100, int(number) % 100
    return 1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31


def _is_code(values: Values, different: np.ndarray) -> bool:
    plain = values.name.casefold()
    if CODES.search(plain) or CODED_END.search(plain):
        return True
    if any(re.fullmatch(r"0[0-9]+", value) for value in values.texts):  # no quantity is written with a zero before it
        return True
    return len(different) <= 20 and different[-1] - different[0] + 1 > 4 * len(different) and different[0] >= 100


def _absurd(different: np.ndarray, counts: np.ndarray) -> list[tuple[float, int]]:
    """Return up to three values, with counts, without which the others spread over a tenth of what they do with them."""
    low, high, gone = 0, len(different), []
    spread = _deviation(different, counts)
    for _ in range(3):
        if high - low <= 3:
            return []
        middle = different[low + (high - low) // 2]
        place = low if middle - different[low] > different[high - 1] - middle else high - 1
        gone.append((float(different[place]), int(counts[place])))
        low, high = (low + 1, high) if place == low else (low, high - 1)
        if _deviation(different[low:high], counts[low:high]) < FLATTENED * spread:
            return gone
    return []


def _deviation(values: np.ndarray, counts: np.ndarray) -> float:
    mean = np.average(values, weights=counts)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))


def _alone(values: Values, number: np.ndarray, rows: Rows, findings: Findings) -> None:
    """Hint at a feature that by itself orders the label or the group.

    number (k,): of each value; empty for categories, which are ordered by their rates.
    """
    for what, target in (("label", rows.y), ("group", rows.a)):
        ones, zeros = (
            np.bincount(values.codes[rows.keep & (target == side)] + 1, minlength=len(values.texts) + 1)
            for side in (1, 0)
        )
        if min(ones.sum(), zeros.sum()) < FEWEST_ROWS // 2:
            continue
        areas = []
        if len(number):  # present values by size, and whether the value is there at all
            valid = np.append(False, ~np.isnan(number))
            areas.append(_area(np.append(np.nan, number)[valid], ones[valid], zeros[valid]))
            gone = (
                np.array([ones[~valid].sum(), ones[valid].sum()]),
                np.array([zeros[~valid].sum(), zeros[valid].sum()]),
            )
            areas.append(_area(np.arange(2), *gone))
        else:
            there = ones + zeros > 0
            if there.sum() * 5 > (ones + zeros).sum():
                continue
            rate = ones[there] / (ones + zeros)[there]
            areas.append(_area(rate, ones[there], zeros[there]))
        best = max(max(area, 1 - area) for area in areas)
        if best >= ALONE:
            said = f"alone orders the {what} (AUC {best:.3f}): if it is known only with the {what}, or is another form of it, "
            findings.hint(values.name, said + "name it in options.drop", "alone")


def _area(order: np.ndarray, ones: np.ndarray, zeros: np.ndarray) -> float:
    """Return the AUC of values (k,) with `ones` and `zeros` (k,) rows of each side; 0.5 where a side is empty."""
    total = float(ones.sum()) * float(zeros.sum())
    if not total:
        return 0.5
    different, place = np.unique(order, return_inverse=True)
    one, zero = (np.bincount(place, weights=side, minlength=len(different)) for side in (ones, zeros))
    return float((one * (np.cumsum(zero) - zero / 2)).sum() / total)
