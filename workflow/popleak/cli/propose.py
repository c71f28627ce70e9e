"""The command `init`: a complete config for a table, guessed from its columns and written for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config.resolve import PLACEBOS
from ..core.errors import PopleakError
from .guessing import Guess, guess


def write(table: Path, *, label: str | None, group: str | None, output: Path | None) -> str:
    """Write the config beside which the next commands are run; return what to say. Raises PopleakError if it is there."""
    found = guess(table, label=label, group=group)
    text = _proposed(found)
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
    unread = "".join(f"{line}\n" for line in found.unread())
    return f"{unread}wrote {output}: read it, correct it, then\n  popleak check --configfile {output}\n  snakemake --cores all --configfile {output}"


def propose(table: Path, *, label: str | None = None, group: str | None = None) -> str:
    """Return the config as YAML with remarks. Raises PopleakError where no label or attribute can be guessed."""
    return _proposed(guess(table, label=label, group=group))


def _proposed(found: Guess) -> str:
    head = f"# Proposed by `popleak init {found.table.name}`: everything here is a guess: read and correct it."
    return yaml_of(found, name=slug(found.table), head=head, tail=TAIL)


def slug(table: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", table.name.split(".")[0].lower())[:40].strip("-") or "own-table"


TAIL = (
    "",
    "worlds:",
    "  - protocol: pure  # models of group 0 only against models of group 1 only",
    "",
    "population: {splits: 5, victims: 100, shadows: 100}",
    "training: {epochs: 10, batch: 32}",
)
"""What `init` proposes besides the task."""


def yaml_of(
    found: Guess, *, name: str, head: str, tail: Sequence[str], rows: str = "auto", in_features: bool = False
) -> str:
    """Return a config as YAML with remarks. name: of the experiment and its task; head, tail: the first line, and what follows the task; in_features:
    whether models read the column of the groups."""
    import yaml

    def said(value: Any) -> str:
        return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6).strip()[1:-1]

    def remark(text: str) -> str:
        return f"  # {' '.join(text.split())}" if text else ""

    table, options, y, a, others, drop, codes, hints, _, notes = found
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
        *(["    attribute_in_features: true  # as your model reads this column"] if in_features else []),
        "    options:",
        f"      path: {said(options['path'])}",
        f"      label: {said(options['label'])}{remark(instead[0])}",
        f"      positive: {said(options['positive'])}{remark(y.said)}",
        *([f"      negative: {said(options['negative'])}"] if "negative" in options else []),
        f"      attribute: {said(options['attribute'])}{remark(instead[1])}",
        f"      groups: {said(options['groups'])}{remark(a.said)}",
        *(
            f"      {key}: {said(options[key])}{remark(notes.get(key, ''))}"
            for key in ("missing", "decimal", "unit")
            if key in options
        ),
        *([f"      categorical: {said(codes)}  # whole numbers that look like codes"] if codes else []),
    ]
    lines += (
        ["      drop:  # never read", *(f"        - {said(key)}{remark(why)}" for key, why in drop.items())]
        if drop
        else []
    )
    lines += [f"      # look at {hint}" for hint in hints]
    return "\n".join([*lines, *tail]) + "\n"
