"""The command `init`: a complete config for a table, guessed from its columns and written for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..config.resolve import PLACEBOS
from ..core import plugins
from ..core.errors import PopleakError
from ..datasets import _features, _meaning, _numbers, _reading
from ..datasets._meaning import Values
from ..datasets._sheet import Column, Sheet
from ..datasets.base import Records

LABELS = (
    "label", "target", "class", "outcome", "income", "default", "repaid", "approved", "accepted", "admitted", "hired", "granted",
    "recid", "two_year_recid", "is_recid", "pass", "passed", "pass_bar", "y", "result", "risk", "churn", "loan_status", "response",
)  # fmt: skip
ATTRIBUTES = (
    "sex",
    "gender",
    "race",
    "ethnicity",
    "ethnic",
    "nationality",
    "citizenship",
    "religion",
    "disability",
    "age",
)
POSITIVE = (
    "1", "yes", "true", "y", "t", "positive", "pos", "good", "pass", "passed", "approved", "accepted", "granted", "admitted", "hired",
    "repaid", "high", ">50k",
)  # fmt: skip
MARKS = ("?", "-", "--", ".", "*")
"""Values that mean a missing one wherever they stand alone."""
MANY = 10
"""A column of more numbers than this is cut, and not grouped by value."""


class Sides(NamedTuple):
    """What is y = 1 and y = 0, or group 0 and group 1, and the counts that they were chosen by."""

    first: Any
    second: Any
    said: str


def write(table: Path, *, label: str | None, group: str | None, output: Path | None) -> str:
    """Write the config beside which the next commands are run; return what to say. Raises PopleakError if it is there."""
    text = propose(table, label=label, group=group)
    output = output or Path(f"{slug(table)}.yaml")
    try:
        with output.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise PopleakError(f"{output}: exists already: remove it, or name another file with --output") from None
    except OSError as error:
        raise PopleakError(
            f"{output}: cannot be written ({error.strerror}): name another file with --output"
        ) from error
    return f"wrote {output}: read it, correct it, then\n  popleak check --configfile {output}\n  snakemake --cores all --configfile {output}"


class Guess(NamedTuple):
    """What is proposed for a table: the options of its task, how label and groups were chosen, other columns that each may be, columns that are
    never read, columns of codes, what a person should look at, and the share of group 1 (None where the table has problems)."""

    table: Path
    options: dict[str, Any]
    y: Sides
    a: Sides
    others: tuple[list[str], list[str]]
    drop: dict[str, str]
    codes: list[str]
    hints: list[str]
    share: float | None


def propose(table: Path, *, label: str | None = None, group: str | None = None) -> str:
    """Return the config as YAML with remarks. Raises PopleakError where no label or attribute can be guessed."""
    found = guess(table, label=label, group=group)
    head = f"# Proposed by `popleak init {table.name}`: everything here is a guess: read and correct it."
    return yaml_of(found, name=slug(table), head=head, tail=TAIL)


def guess(
    table: Path,
    *,
    label: str | None = None,
    group: str | None = None,
    positive: str | None = None,
    groups: tuple[str, str] | None = None,
) -> Guess:
    """Return what is proposed. label, group: columns; positive, groups: values of y = 1 and of the groups, where they are known. Raises PopleakError
    where no label or attribute can be guessed, and for what is named and is not there."""
    sheet = _reading.read(table)
    marks = _marks(sheet)
    columns = {name: _without(column, marks) for name, column in sheet.columns.items()}
    values = _values(columns, sheet.form.get("separator", ","))
    _given(values, label=(label, () if positive is None else (positive,)), group=(group, groups or ()))
    label, others = _guess("label", LABELS, values, label, group)
    group, more = _guess("group", ATTRIBUTES, values, group, label)
    y = _label(values[label]) if positive is None else _chosen(values[label], positive)
    a = _groups(values[group]) if groups is None else Sides(_plain(groups[0]), _plain(groups[1]), values[group].shown())
    options = _options(table, label, group, y=y, a=a, marks=marks)
    findings = _examined(options, table)[0]
    drop = findings.columns
    codes = [name for name in findings.kinds.get("codes", ()) if len(values[name].texts) <= _features.MOST_CATEGORIES]
    free = [name for name in values if name not in (label, group, *drop)]
    if not free:
        raise PopleakError(
            f"{table}: no column is left as a feature besides {label!r} and {group!r}: use a table with more columns"
        )
    whole = {**options, "drop": [name for name in drop if name in values], "categorical": codes}
    final, records = _examined(whole, table)
    share = None if records is None else float(records.a.mean())
    return Guess(table, options, y, a, (others, more), drop, codes, final.hints + final.problems, share)


def _options(table: Path, label: str, group: str, *, y: Sides, a: Sides, marks: list[str]) -> dict[str, Any]:
    """Return the options of the task, without columns to drop."""
    options: dict[str, Any] = {
        "path": str(table), "label": label, "positive": y.first, "attribute": group, "groups": [a.first, a.second],
    }  # fmt: skip
    options |= {"missing": marks} if marks else {}
    options |= {"negative": y.second} if isinstance(y.second, list) else {}
    return options


def _given(values: dict[str, Values], **named: tuple[str | None, Sequence[str]]) -> None:
    """Raise PopleakError, with all of them, for columns and values that the command line names and that are not there.

    named: by option, the column and its values. A cut of numbers (`> 50000`) is no value.
    """
    wrong = []
    for key, (column, wanted) in named.items():
        if column is not None and column not in values:
            wrong.append(f"--{key}: column {column!r} is not in the table: choose from {', '.join(values)}")
        elif column is not None:
            known = values[column]
            lost = [
                one
                for one in wanted
                if one not in known.texts and not (known.numbers is not None and _meaning.CONDITION.fullmatch(one))
            ]
            wrong += [f"--{key}: column {column!r} has no value {one!r}: it has {known.shown()}" for one in lost]
    if wrong:
        raise PopleakError("\n  ".join(wrong))


def _marks(sheet: Sheet) -> list[str]:
    """Return the signs that stand for missing values in some column."""
    there = {value for column in sheet.columns.values() if column.kind in ("field", "text") for value in column.values}
    return [mark for mark in MARKS if mark in there]


def _without(column: Column, marks: Sequence[str]) -> Column:
    keep = np.array([value not in marks for value in column.values] + [False])
    new = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
    return column._replace(codes=new[column.codes], values=[value for value in column.values if value not in marks])


def _values(columns: dict[str, Column], separator: str) -> dict[str, Values]:
    numbers = _numbers.of(columns, "auto", separator)
    return {name: _meaning.valued(name, column, numbers.get(name)) for name, column in columns.items()}


def _guess(
    kind: str, known: Sequence[str], values: dict[str, Values], given: str | None, taken: str | None
) -> tuple[str, list[str]]:
    """Return the column of the label or the sensitive attribute, and others that it may be, the likelier ones first."""
    names = list(values)

    def rank(name: str) -> tuple[int, int]:
        plain = name.casefold().replace("-", "_").replace(" ", "_")
        if plain in known:
            return known.index(plain), 0
        parts = [i for i, word in enumerate(known) if word in plain.split("_")]
        # a label often stands last
        return len(known) + (parts[0] if parts else len(known)), -names.index(name)

    def fits(name: str) -> bool:
        size, named = len(values[name].texts), rank(name)[0] < 2 * len(known)
        if kind == "label":
            return two(name) or (named and size > 2)
        return named and size >= 2 and (size <= _features.MOST_CATEGORIES or values[name].numbers is not None)

    def two(name: str) -> bool:
        return len({_meaning.spelling(text) for text in values[name].texts}) == 2

    found = sorted((name for name in names if name != taken and fits(name)), key=rank)
    if (
        kind == "label"
    ):  # of what bears a usual name, a column with two values is likelier than one that would have to be cut
        found.sort(key=lambda name: 2 * (rank(name)[0] >= 2 * len(known)) + (not two(name)))
    chosen = given or next(iter(found), None)
    if chosen is None:
        what = "label" if kind == "label" else "sensitive attribute"
        raise PopleakError(
            f"init: no column looks like the {what}: name it with --{kind}: choose from {', '.join(names)}"
        )
    return chosen, [name for name in found if name != chosen][:5]


def _label(values: Values) -> Sides:
    """Return what is y = 1: a value or its spellings, or a cut at the median of many numbers."""
    if values.numbers is not None and len(values.texts) > MANY:
        middle = _middle(values)
        return Sides(f"> {middle:.12g}", None, "cut at the median")
    if len(values.texts) < 2:
        raise PopleakError(f"init: column {values.name!r} is constant: name another with --label")
    one = _positive(values)
    zero = [text for text in values.texts if text not in one]
    second = [_plain(text) for text in zero] if len(zero) > 1 else None
    return Sides(_plain(one[0]) if len(one) == 1 else [_plain(text) for text in one], second, values.shown())


def _chosen(values: Values, positive: str) -> Sides:
    """Return what is y = 1 where it is known: a cut, or a value against all others."""
    zero = [text for text in values.texts if text != positive]
    return Sides(
        _plain(positive),
        [_plain(text) for text in zero] if positive in values.texts and len(zero) > 1 else None,
        values.shown(),
    )


def _positive(values: Values) -> list[str]:
    """Return the spellings of the value that is likely y = 1: the first with a usual name, else the rarest."""
    spelt: dict[str, list[str]] = {}
    for text in values.texts:
        spelt.setdefault(_meaning.spelling(text), []).append(text)
    likely = [key for key in spelt if key in POSITIVE or key.startswith(">")]
    rarest = min(spelt, key=lambda key: sum(values.counts[values.texts.index(text)] for text in spelt[key]))
    return spelt[likely[0] if likely else rarest]


def _groups(values: Values) -> Sides:
    """Return the two most frequent values, or a cut at the median of many numbers."""
    if values.numbers is not None and len(values.texts) > MANY:
        middle = _middle(values)
        return Sides(f"<= {middle:.12g}", f"> {middle:.12g}", "cut at the median")
    if len(values.texts) < 2:
        raise PopleakError(f"init: column {values.name!r} is constant: name another with --group")
    order = np.argsort(-values.counts, kind="stable")[:2]
    first, second = (_plain(values.texts[i]) for i in order)
    return Sides(first, second, values.shown())


def _middle(values: Values) -> float:
    """Return the number at the median that leaves numbers on both sides."""
    numbers = np.asarray(values.numbers)
    known = ~np.isnan(numbers)
    seen = np.sort(np.repeat(numbers[known], values.counts[known]))
    middle = seen[(len(seen) - 1) // 2]
    return float(middle if middle < seen[-1] else seen[seen < seen[-1]].max())


def _plain(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})", text) else text


def _examined(options: dict[str, Any], table: Path) -> tuple[_meaning.Findings, Records | None]:
    plugin = plugins.load("datasets", "table")
    settings = plugin.Settings.model_validate(options)
    found: tuple[_meaning.Findings, Records | None] = plugin.examine(files={settings.path: table}, options=settings)
    return found


def slug(table: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", table.name.split(".")[0].lower())[:40].strip("-") or "own-table"


TAIL = (
    "",
    "worlds:",
    "  - protocol: pure  # models of group 0 only against models of group 1 only",
    "",
    "population: {splits: 5, victims: 100, shadows: 100}",
    "training: {epochs: 20}",
)
"""What `init` proposes besides the task."""


def yaml_of(found: Guess, *, name: str, head: str, tail: Sequence[str], rows: str = "auto") -> str:
    """Return a config as YAML with remarks. name: of the experiment and its task; head, tail: the first line, and what follows the task."""
    import yaml

    def said(value: Any) -> str:
        return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6).strip()[1:-1]

    def remark(text: str) -> str:
        return f"  # {' '.join(text.split())}" if text else ""

    table, options, y, a, others, drop, codes, hints, _ = found
    instead = [f"or: {', '.join(names)}" if names else "" for names in others]
    lines = [
        head,
        "# Every key: docs/config.md; the options of the table: docs/plugins.md.",
        f"experiment: {said(name)}",
        f"title: {said(f'What a model trained on {table.name} gives away')}",
        "",
        "tasks:",
        "  - dataset: table",
        f"    id: {said(name)}",
        f"    rows: {rows}"
        + ("  # from the size of the pools; `popleak check` says how many that are" if rows == "auto" else ""),
        "    query_rows: auto",
        f"    placebo: {PLACEBOS}  # repetitions with a permuted group column: what an attack then reads comes from the table, not from the groups; 0 for none",
        "    options:",
        f"      path: {said(options['path'])}",
        f"      label: {said(options['label'])}{remark(instead[0])}",
        f"      positive: {said(options['positive'])}{remark(y.said)}",
        *([f"      negative: {said(options['negative'])}"] if "negative" in options else []),
        f"      attribute: {said(options['attribute'])}{remark(instead[1])}",
        f"      groups: {said(options['groups'])}{remark(a.said)}",
        *([f"      missing: {said(options['missing'])}"] if "missing" in options else []),
        *([f"      categorical: {said(codes)}  # whole numbers that look like codes"] if codes else []),
    ]
    lines += (
        ["      drop:  # never read", *(f"        - {said(key)}{remark(why)}" for key, why in drop.items())]
        if drop
        else []
    )
    lines += [f"      # look at {hint}" for hint in hints]
    return "\n".join([*lines, *tail]) + "\n"
