"""The access contract: what is read of a model, and what of it the adversary sees.

An attack names its access (`attacks.base.Attack.access`); of its own shadows it may see more (`shadow_access`). `outputs` of one model,
which `calibrate` and `score` get, are what `Access.outputs` returns a row of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np

from ...core.protocols import Role

if TYPE_CHECKING:
    from ...store.answers import Answers

NONE = "none"
"""The arm of undefended models."""


class Source(Protocol):
    """Where models of one game are kept: a run's files (`threat.seen`), or a table of answers (`audit.play`).

    Each method returns a row a model; keys (columns, each (K,)): split, world, model_index, finite, and of answers the model's seed.
    """

    def answers(self, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        """Return scores (K, q) of one role's models in one arm. votes: of queries that are asked repeatedly the share of answers with
        label 1, in place of the mean score."""

    def models(self, role: Role, arm: str) -> Answers:
        """Return weights (K, P)."""

    def draws(self, role: Role) -> Answers:
        """Return the ids (K, n) of the rows that base models were trained on."""


class Access:
    """Base of kinds of access. Set the class attributes; for answers subclass `OfAnswers`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    mark: ClassVar[str] = ""
    """What figures write beside an adversary who sees more than answers ("white box")."""
    words: ClassVar[str] = ""
    """What the report calls what is seen; "": the name."""
    place: ClassVar[int] = 100
    """Where it stands in lists: the less it shows, the earlier."""
    reads: ClassVar[Literal["answers", "models", "draws"]]
    """What of a run it is made of. Answers are there of shadows of any architecture; models and draws only of shadows like the victim."""
    black_box: ClassVar[bool] = False
    """True: no more is seen than a user of the model is told, so that an attack is a candidate for `best`."""
    of_model: ClassVar[bool] = True
    """False: nothing of the model is seen, so that it does not matter whether it diverged."""
    defended: ClassVar[bool] = False
    """True: there is nothing to see of an undefended model, victim or shadow."""
    votes: ClassVar[bool] = False
    """True: of answers to a query that is asked repeatedly the label counts that is given most often, and not the mean score."""
    shown_by: ClassVar[tuple[str, ...]] = ()
    """What a table of answers must hold for this access to be made of it: `scores`, or `labels` too; nothing: no such table will do."""

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        """Return what is kept of one role's models in one arm, a row a model, in the field `scores`."""
        raise NotImplementedError

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return what the adversary sees of the chosen models (K,), a row each, where it asks the query points at the positions
        `points` (m,). What is no number must not remain, and `kept` must stay as it is."""
        raise NotImplementedError


class OfAnswers(Access):
    """Access to answers: set `of`, what is seen of scores."""

    reads = "answers"
    sets: ClassVar[int] = 1
    """How many scores of each query point stand in a row, all points of the first set before those of the second."""
    shown_by: ClassVar[tuple[str, ...]] = ("scores",)

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Return what is seen of scores (K, m) float64 in [0, 1], or (K, m, C) of C > 2 classes: of each model and point what its own scores
        alone say."""
        return scores

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        return source.answers(role, arm, repeats, votes or self.votes)

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return (K, sets * m), or (K, sets * m, C), float64. A diverged model answers not-a-number; the adversary reads that as 0.5, or
        1 / C for each of C classes, the answer that says nothing."""
        seen: np.ndarray = kept.scores[chosen]
        asked = seen.shape[1] // self.sets
        if not np.array_equal(points, np.arange(asked)):  # most query sets are asked whole
            seen = seen[:, np.concatenate([points + i * asked for i in range(self.sets)])]
        finite = np.isfinite(seen).all()
        seen = seen.astype(np.float64)
        if not finite and seen.ndim == 3:
            seen[~np.isfinite(seen).all(axis=2)] = 1 / seen.shape[2]
        elif not finite:
            np.nan_to_num(seen, copy=False, nan=0.5, posinf=1.0, neginf=0.0)
        return self.of(seen)
