"""Students among the defences of the public tables: whom each learnt from, and at which settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from ..core import plugins
from ..core.protocols import MEMBERSHIP
from . import _select as select

if TYPE_CHECKING:
    import pandas as pd

NEAR = "near"
"""The setting that is the share of public rows that are near-duplicates of the teacher's rows."""


class Student(NamedTuple):
    """A student of one task and model; teacher: the id of the defence whose models it learnt from; defended: whether that is not `none`."""

    task: str
    model: str
    defence: str
    teacher: str
    defended: bool
    kind: str
    settings: dict[str, Any]


def found(tables: dict[str, pd.DataFrame]) -> dict[tuple[str, str, str], Student]:
    """Return the students by task, model and id, in the order of the table `defences`.

    A student is a defence whose plugin says at these settings that its models learn from others (`teacher_of`): the table `defences` has
    plugin and settings. The table `membership` has the teacher's id, in `compared_with`. One whose teacher was not judged is left out.
    """
    defences = tables["defences"].drop_duplicates([*select.FACET, "defence"])
    kinds = {(one.task, one.model, one.defence): str(one.kind) for one in defences.itertuples()}
    beside = _beside(tables["membership"])
    students = {}
    for one in defences.itertuples():
        key = (one.task, one.model, one.defence)
        settings = json.loads(one.settings) if isinstance(one.settings, str) else {}
        teacher, of = beside.get(key), _taught_by(str(one.kind), settings)
        if teacher and of and kinds.get((one.task, one.model, teacher), teacher) == of:
            students[key] = Student(*key, teacher, of != "none", str(one.kind), settings)
    return students


def _beside(membership: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """Return whom each defence of a task and model is compared with."""
    rows = select.of(membership, protocol=MEMBERSHIP, part="all")
    rows = rows[rows["compared_with"].notna() & (rows["compared_with"] != "")]
    return {(one.task, one.model, one.defence): str(one.compared_with) for one in rows.itertuples()}


def _taught_by(kind: str, settings: dict[str, Any]) -> str | None:
    """Return the name of the defence that teaches; None where a defence makes no students, or is not known here."""
    plugin = plugins.find("defences", kind)
    if plugin is None:
        return None
    try:
        teacher = plugin.teacher_of(plugin.Settings.model_validate(settings))
    except ValidationError:  # of another version
        return None
    return str(teacher[0]) if teacher else None


def doses(students: dict[tuple[str, str, str], Student]) -> dict[tuple[str, str, str], float]:
    """Return the share of near-duplicates of those students that differ in it alone, of each task and model those with most shares."""
    groups: dict[tuple[str, str], dict[str, dict[float, tuple[str, str, str]]]] = {}
    for key, one in students.items():
        share = one.settings.get(NEAR, 0.0)
        if NEAR in plugins.load("defences", one.kind).Settings.model_fields:
            rest = json.dumps([one.kind, {k: v for k, v in one.settings.items() if k != NEAR}], sort_keys=True)
            groups.setdefault(key[:2], {}).setdefault(rest, {}).setdefault(float(share), key)
    longest = [max(of.values(), key=len) for of in groups.values()]
    return {key: share for of in longest if len(of) > 1 for share, key in of.items()}
