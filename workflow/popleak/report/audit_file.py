"""`audit.json`: the lights of an audit and what they rest on, for programs. The classes are its schema (`popleak schema audit`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ..core.errors import PopleakError
from ..core.settings import Settings
from ..measures import learnt
from ..measures.intervals import Estimate
from ..measures.lights import ALIKE, CLEAR, DULL, FEW, LEAK, LOST, OPEN, light
from ..measures.verdicts import Found
from .lights import dull_of

VERSION = 1
"""Rises when a field is taken away or changes its meaning; new fields alone do not raise it."""
Word = Literal["green", "red", "grey"]
Number = float | None


class Interval(Settings):
    """An estimate with its 95 % interval; null where it is not known."""

    value: Number
    low: Number
    high: Number


class Entry(Settings):
    """One light: a task and model, two worlds, and what the adversary sees."""

    key: str
    """Name of the light, the same in each run of the config."""
    task: str
    model: str
    protocol: str
    """What is asked: pure, one group against the other; ratio, two mixtures."""
    ratios: tuple[float, float]
    """Share of group 1 in the training sets that the adversary tells apart."""
    groups: tuple[str, str]
    """Names of group 0 and group 1."""
    access: str
    """What the adversary sees of the model; it may use all attacks that see no more."""
    light: Word
    """green: no leak above the margin; red: a leak is shown; grey: the data cannot say."""
    reason: str
    """Why a light is grey, in few words; empty otherwise."""
    why: str = ""
    """What stands beside the light on the page; empty in files of earlier versions."""
    shown: bool
    """Whether a leak is shown, be it small: p_holm is below 0.05, the interval leaves out 0 and lies beyond all placebos. A green light may have one that is
    smaller than the margin. Also true where `implied_by` says so."""
    implied_by: str
    """The access that sees less and for which a leak is shown, where that alone makes the light red; else empty."""
    material: bool
    """Whether a leak is shown whose whole interval lies beyond the margin."""
    beyond_placebos: bool | None
    """Whether the interval lies beyond all placebos; null where there are none."""
    accuracy: Interval
    """Share of models whose training set the adversary names; guessing is 0.5."""
    advantage: Interval
    """TPR - FPR, which is twice the accuracy minus 1; each interval is at 95 % on its own."""
    p_holm: Number
    """p value against guessing, corrected (Holm) for all lights of the file."""
    victims: int
    """Models that were attacked, of both training sets."""
    splits: int
    """Random divisions of the table into pools; the unit of the intervals."""
    placebos: tuple[Interval, ...]
    """Advantage of the same adversary for each permutation of the group column."""
    needed_splits: int | None
    """Pool splits, with as many models each, that would decide a grey light in four of five runs, if its estimate stays what it is; null if unknown."""
    needed_victims: int | None
    """The same as a number of models to attack."""
    attacks: tuple[str, ...]
    """Attacks that the adversary chooses from."""
    strongest: str
    """The attack that names most of these models."""
    rows: int | None = None
    """Rows that each model was trained on; null in files of earlier versions."""
    table_rows: int | None = None
    """Rows of the table, of both groups; null where the run has several tables."""
    model_accuracy: Number = None
    """Share of the population's rows that the undefended models are right about; null in files of earlier versions, as the next two are."""
    model_accuracy_constant: Number = None
    """The same of one answer for all, the most frequent label."""
    model_accuracy_regression: Number = None
    """The same of logistic regressions of as many rows. Where these gain 0.02, a light of models that gain less than half of it is not
    green."""
    model_constant: Number = None
    """Share of the models under the defence that give every record one label. A light on labels is not green where it is more than one half."""
    model_auc: Number = None
    """Area under the ROC curve of the undefended models; null for more than two classes, too."""
    model_auc_regression: Number = None
    """The same of logistic regressions. The rule is the same from 0.05 on, with one half for one answer for all."""


class Tried(Settings):
    """One defence that was run, in one pair of worlds, with its price."""

    task: str
    model: str
    protocol: str
    ratios: tuple[float, float]
    defence: str
    best: bool
    """Whether it is the best of its kind of access by the rule of the report (docs/defences.md)."""
    advantage: Interval
    """Of the best informed adversary; limits at a level that holds for all uncertified defences of the pair together."""
    certified_advantage: Number
    """Advantage that no adversary exceeds, by a theorem."""
    accuracy_change: Interval
    """Of the model's own accuracy, against the undefended model."""
    delta_eo: Number
    seconds: Number
    """CPU seconds of a model on the reference core, its base model included."""
    seconds_base: Number


class AuditFile(Settings):
    """What an audit found."""

    version: Literal[1]
    """Version of this format."""
    popleak: str
    """Version of the program."""
    experiment: str
    title: str
    light: Word
    """red if any light is; green if all are; else grey."""
    sentence: str
    """The first sentences of the page: the question that is nearest to a release, and before it, where only another one shows a leak, that one."""
    trained: str = ""
    """What was trained, on how many rows, and what that leaves open, as on the page; empty in files of earlier versions."""
    defence: str
    """Id of the defence that the models are released with; `none` is the model as it is."""
    margin: float
    """Largest advantage that counts as no leak, as it was stated before the run."""
    level: float
    """Level of each interval on its own."""
    warnings: tuple[str, ...] = ()
    """What stands as a warning on the page."""
    lights: tuple[Entry, ...]
    defences: tuple[Tried, ...]
    settings_digest: str
    """SHA-256 of the config with all defaults filled in, as canonical JSON."""
    code_digest: str
    """Of the code that made this file, and of the versions of its libraries."""
    tables: dict[str, str]
    """Id of the step that made each table behind it; it ends in a digest of all that the table rests on."""


def overall(words: list[str]) -> str:
    """Return red if any word is, green if all are (and there is one), else grey."""
    if LEAK in words:
        return LEAK
    return CLEAR if words and set(words) == {CLEAR} else OPEN


def read(path: str | Path) -> AuditFile:
    """Return a file that `popleak audit` wrote. Raises PopleakError in one line for a file that is none, or of another version."""
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PopleakError(f"{path}: no such file: give the audit.json of a finished audit") from None
    except (OSError, ValueError, RecursionError) as error:
        raise PopleakError(f"{path}: not an audit.json ({type(error).__name__}): run `popleak audit` again") from None
    version = raw.get("version") if isinstance(raw, dict) else None
    if version != VERSION:
        raise PopleakError(
            f"{path}: version {version!r} of audit.json, this popleak reads {VERSION}: run `popleak audit` again"
        )
    try:
        found = AuditFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PopleakError(f"{path}: {place}: {first['msg']}: run `popleak audit` again") from None
    if wrong := _contradicts(found):
        raise PopleakError(f"{path}: {wrong}, so it was changed after it was made: run `popleak audit` again")
    return found


def _contradicts(found: AuditFile) -> str:
    """Return where the words of a file say something else than its numbers; empty if they agree."""
    for one in found.lights:
        if wrong := _untrue(one, found.margin):
            return f"the light {one.key} is {wrong}"
    if found.light != overall([one.light for one in found.lights]):
        return f"its light is {found.light}, and its lights say otherwise"
    return ""


def _untrue(one: Entry, margin: float) -> str:
    """Return what is said of a light that its numbers do not carry; empty if there is nothing."""
    low, high = one.advantage.low, one.advantage.high
    apart = low is not None and high is not None and (low > 0 or high < 0)
    if one.light == CLEAR and not _limit(one) < margin:
        return "green, and its interval is not within the margin"
    if one.light == CLEAR and (dull := _dull(one)):
        return f"green, and its {dull}"
    if one.light == LEAK and not one.shown:
        return "red, and no leak is shown"
    if one.shown and not (apart or one.implied_by):
        return "said to show a leak, and its interval holds 0"
    return ""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    document = AuditFile.model_json_schema()
    document["title"] = "popleak audit"
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return document


def _dull(one: Entry) -> str:
    """Return why the models of a light are no sign of safety, by their numbers."""
    known = (
        one.model_accuracy,
        one.model_auc,
        one.model_constant,
        one.model_accuracy_constant,
        one.model_accuracy_regression,
        one.model_auc_regression,
    )
    accuracy, auc, constant, *reference = map(_number, known)
    return dull_of(one.access, accuracy, auc, constant, learnt.Reference(*reference))


def failing(found: AuditFile, *, above: float | None, on: str) -> list[Entry]:
    """Return the lights for which a release fails.

    above: advantage that a light's interval must not reach, the file's margin unless given; on: `grey`, whatever is not shown to stay below it
    fails; `red`, only what is shown to leak does.
    """
    failed = []
    for one in found.lights:
        clear = one.light == CLEAR if above is None else _clear(one, above)
        if not clear and (on == OPEN or one.shown):
            failed.append(one)
    return failed


def _clear(one: Entry, margin: float) -> bool:
    """Return whether a light is green by the rule of lights at another margin than the file's, or holds a shown leak that is all below that margin."""
    if one.light == OPEN and one.reason.startswith((FEW, LOST, DULL, ALIKE)):
        return False  # whatever the margin is
    p = _number(one.p_holm)
    own = Found(*_numbers(one.advantage), 1.0 if p != p else p, one.victims, one.splits)
    placebos = [Estimate(*_numbers(each), float("nan")) for each in one.placebos]
    again = light(own, placebos, margin=margin, rows=one.rows, dull=_dull(one))
    return again.word == CLEAR


def _number(value: Number) -> float:
    return float("nan") if value is None else value


def _numbers(found: Interval) -> tuple[float, float, float]:
    return _number(found.value), _number(found.low), _number(found.high)


def _limit(one: Entry) -> float:
    low, high = one.advantage.low, one.advantage.high
    return float("inf") if low is None or high is None else max(abs(low), abs(high))
