"""Checks of kinds of access: each takes the plugin."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from ..core.seeds import generator
from ..threat.access.base import Access, OfAnswers
from .data import frozen
from .plugin import check_imports, check_names

if TYPE_CHECKING:
    from ..store.answers import Answers

MODELS, POINTS, CLASSES = 6, 8, 3
COLUMNS = 5
"""Of a generator's rows: label, group and compact columns."""
RELEASES = ("scores", "labels")
"""What a table of answers may hold."""


def check_access_class(access: Access) -> None:
    """Words and flags are known ones that fit together."""
    check_names(access)
    assert access.reads in ("answers", "models", "draws", "audits", "samples"), (
        f"reads must be answers, models, draws, audits or samples, not {access.reads!r}"
    )
    for name in ("mark", "words"):
        assert isinstance(getattr(access, name), str), f"{name} must be a text"
    assert isinstance(access.place, int), "place must be a whole number"
    for flag in ("black_box", "of_model", "defended", "several", "covered", "votes"):
        assert isinstance(getattr(access, flag), bool), f"{flag} must be True or False"
    answers = isinstance(access, OfAnswers)
    assert answers == (access.reads == "answers"), "an access made of answers, and no other, derives from OfAnswers"
    assert answers or not access.black_box, "black_box = True: who sees more than answers is no user of the model"
    assert answers or not access.several, "several = True: only answers are put together from several models"
    assert set(access.shown_by) <= set(RELEASES) and bool(access.shown_by) == (answers and not access.several), (
        f"shown_by must name some of {', '.join(RELEASES)}, and nothing where no answers are read or several models are seen, not "
        f"{access.shown_by!r}"
    )
    if isinstance(access, OfAnswers):
        assert access.sets >= 1, "sets must be at least 1"


def kept(access: Access, broken: bool = False, classes: int = 2) -> Answers:
    """Return what is made up to be kept of some models; broken: with values that are no numbers; classes: of the label, for answers."""
    from ..store.answers import Answers

    rng = generator("contract", "access", access.name)
    ids = np.zeros(MODELS, dtype=np.int64)
    if access.reads == "draws":  # ids are whole numbers, whatever became of the model
        return Answers({"split": ids}, frozen(rng.integers(0, 1000, (MODELS, POINTS))))
    if access.reads == "samples":  # a generator that diverged draws numbers, whatever they are worth
        drawn = rng.normal(size=(MODELS, POINTS, COLUMNS)).astype(np.float32)
        drawn[..., :2] = rng.integers(0, 2, (MODELS, POINTS, 2))
        return Answers({"split": ids}, frozen(drawn))
    sets = access.sets if isinstance(access, OfAnswers) else 1
    found = rng.random((MODELS, sets * POINTS)).astype(np.float32)
    found[0, :2] = 0.0, 1.0
    if classes > 2:
        found = np.stack(
            [found, *rng.dirichlet(np.ones(classes - 1), found.shape).transpose(2, 0, 1)], -1, dtype=np.float32
        )
        found[..., 1:] *= 1 - found[..., :1]
    if broken:
        found[1, :3] = np.nan, np.inf, -np.inf
        found[2] = np.nan
    return Answers({"split": ids}, frozen(found))


def check_outputs(access: Access) -> None:
    """A row a model, the same alone and among others; finite, whatever diverged; what is kept stays as it is."""
    everyone, asked = np.arange(MODELS), np.arange(POINTS)
    several = (2, CLASSES) if isinstance(access, OfAnswers) else (2,)
    for classes, broken in itertools.product(several, (False, True)):
        there = kept(access, broken, classes)
        found = access.outputs(there, everyone, asked)
        # of several classes either a number each, or one for all; of samples rows
        sizes = (3,) if access.reads == "samples" else (2, 2 + (classes > 2))
        assert isinstance(found, np.ndarray) and found.ndim in sizes and len(found) == MODELS, (
            "outputs must be one row a model"
        )
        assert np.isfinite(found).all(), "outputs must be finite: say what a diverged model shows"
        again = access.outputs(there, everyone[::-1], asked)[::-1]
        assert np.array_equal(found, again), "what is seen of a model depends on the order of models"
        for k in range(MODELS):
            alone = access.outputs(there, np.array([k]), asked)
            assert np.array_equal(alone, found[k : k + 1]), "what is seen of a model depends on the models beside it"


def check_answers(access: Access) -> None:
    """Of answers: float64, a number for each score that is asked, of that score alone; labels stay what they are where they will do."""
    if not isinstance(access, OfAnswers):
        return
    there, everyone = kept(access), np.arange(MODELS)
    whole = access.outputs(there, everyone, np.arange(POINTS))
    assert whole.shape == (MODELS, access.sets * POINTS) and whole.dtype == np.float64, (
        f"outputs must be ({MODELS}, {access.sets * POINTS}) float64, not {whole.shape} {whole.dtype}"
    )
    some = np.array([5, 2, 3])
    columns = np.concatenate([some + i * POINTS for i in range(access.sets)])
    part = access.outputs(there, everyone, some)
    assert np.array_equal(part, whole[:, columns]), "what is seen of a point depends on which others are asked"
    found, points = access.outputs(kept(access, classes=CLASSES), everyone, np.arange(POINTS)), whole.shape
    assert found.shape in (points, (*points, CLASSES)), (
        f"of {CLASSES} classes outputs must be {points} or {(*points, CLASSES)}, not {found.shape}"
    )
    if "labels" in access.shown_by:
        labels = np.round(there.scores).astype(np.float64)
        assert np.array_equal(access.of(labels), labels), "shown_by has labels, but a label is not seen as it is"


def check_samples(access: Access) -> None:
    """Of samples: every row, whatever is asked, with all its columns or fewer; the label first."""
    if access.reads != "samples":
        return
    there, everyone = kept(access), np.arange(MODELS)
    found = access.outputs(there, everyone, np.arange(POINTS))
    assert found.shape[:2] == (MODELS, POINTS) and found.dtype == np.float32, (
        f"outputs must be ({MODELS}, {POINTS}, columns) float32, not {found.shape} {found.dtype}"
    )
    assert np.array_equal(found, access.outputs(there, everyone, np.array([3]))), (
        "samples are the same whatever is asked"
    )
    assert np.array_equal(found[..., 0], there.scores[..., 0]), "the first column must be the label"
    held = [
        any(np.array_equal(column, other) for other in np.moveaxis(there.scores, 2, 0))
        for column in np.moveaxis(found, 2, 0)
    ]
    assert all(held), "outputs must be columns of the samples as they are"


CHECKS = (check_access_class, check_outputs, check_answers, check_samples)


def check_access(access: Access) -> None:
    """Raise AssertionError if `access` breaks the contract."""
    check_imports(access)
    for check in CHECKS:
        check(access)
