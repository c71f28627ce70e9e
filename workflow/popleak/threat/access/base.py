"""The access contract: what is read of a model, and which part of it the adversary sees.

An attack names its access (`attacks.base.Attack.access`). It may see more of its own shadows (`shadow_access`).
`outputs` of one model, which `calibrate` and `score` get, are what `Access.outputs` returns a row of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from ...core.protocols import Role

if TYPE_CHECKING:
    from ...core.columns import Columns
    from ...store.answers import Answers

NONE = "none"
"""The arm of undefended models."""


class Source(Protocol):
    """Where models of one game are kept: a run's files (`threat.seen`), or a table of answers (`audit.play`).

    releases: models of one owner, whose numbers follow each other. Each method returns one row for each model; keys (columns, each (K,)): split, world, model_index, finite, and of
    answers the model's seed.
    """

    releases: int

    def answers(self, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        """Return scores (K, q) of one role's models in one arm. votes: of queries that are asked repeatedly the share of answers with
        label 1, in place of the mean score."""

    def models(self, role: Role, arm: str) -> Answers:
        """Return weights (K, P); keys hold the models' seeds too."""

    def architecture(self) -> Any:
        """Return what builds a model of this kind untrained (`models.base.Model.architecture`)."""

    def audits(self, role: Role, arm: str) -> Answers:
        """Return evidence (K, 1) for world 1 from the audit of certified trainings, NaN where there was none; no rows where no model of the
        arm was audited."""

    def samples(self, role: Role, arm: str) -> Answers:
        """Return what one role's generators release in one arm: (K, m, 2 + c), the label, the group and compact columns of m rows each."""

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, Columns]:
        """Return features (q, d) of the records at `rows` (q,), and the columns that they make."""

    def draws(self, role: Role) -> Answers:
        """Return the ids (K, n) of the rows that base models were trained on."""


class Access:
    """Base of kinds of access. Set the class attributes; for answers subclass `OfAnswers`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    mark: ClassVar[str] = ""
    """Label in figures for an adversary who sees more than answers ("white box")."""
    words: ClassVar[str] = ""
    """Word for what is seen in the report; "" for the plugin's name."""
    place: ClassVar[int] = 100
    """Position in lists, from the least revealing access to the most."""
    reads: ClassVar[Literal["answers", "models", "draws", "audits", "samples"]]
    """Which files of a run it needs. Answers exist for shadows of any architecture, models and draws only for shadows
    of the victim's architecture, audits only for victims of defences that are `audited`, samples for generators alone."""
    sets: ClassVar[int] = 1
    """Number of scores for each query point in a row, or of weights for each weight of the model; all of the first set precede those of
    the second."""
    black_box: ClassVar[bool] = False
    """Whether the adversary sees no more than a user of the model, so that an attack is a candidate for `best`."""
    holds: ClassVar[tuple[str, ...]] = ()
    """Of an access that sees more than a user of the model, those whose view it contains: whoever has weights can compute labels and scores."""
    of_model: ClassVar[bool] = True
    """False if nothing of the model is seen, so that it does not matter whether it diverged."""
    defended: ClassVar[bool] = False
    """Whether this access exists only for defended models, victims or shadows."""
    several: ClassVar[bool] = False
    """Whether a row is one owner with all its releases (`population.releases`), and not one model."""
    covered: ClassVar[bool] = True
    """Whether a certificate of the defence is about this adversary. False if something is seen beside the released model that
    knows the world: the base model, or training rows."""
    votes: ClassVar[bool] = False
    """Whether a repeated query counts by its most frequent label, and not by its mean score."""
    shown_by: ClassVar[tuple[str, ...]] = ()
    """What a table of answers must hold to provide this access: `scores`, or `labels` too. Empty if no such table can
    provide it."""

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        """Return the stored data of one role's models in one arm, one row for each model, in the field `scores`."""
        raise NotImplementedError

    def seen(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        """Return what is `read`, a row for each owner: with all its models if `several`, else with the last that it released alone. So a
        trial, and a shadow, is an owner: models of one owner share rows."""
        kept = self.read(source, role, arm, repeats, votes)
        if (
            self.several or source.releases == 1 or not len(kept.scores)
        ):  # of an arm that was not audited there is nothing
            return kept
        last = np.flatnonzero(kept.keys["model_index"] % source.releases == source.releases - 1)
        return kept._replace(keys={name: values[last] for name, values in kept.keys.items()}, scores=kept.scores[last])

    def offered(self, kept: Answers) -> bool:
        """Return whether there is anything to be seen of these models, all victims of one arm. If not, the attack leaves the arm out."""
        return True

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return what the adversary sees of the chosen models (K,), one row each, if it asks the query points at the
        positions `points` (m,). The result must not contain NaN, and `kept` must not be changed."""
        raise NotImplementedError


class OfAnswers(Access):
    """Access to answers. Set `of`, which part of the scores is seen."""

    reads = "answers"
    shown_by: ClassVar[tuple[str, ...]] = ("scores",)

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Return what is seen of scores (K, m) float64 in [0, 1], or (K, m, C) of C > 2 classes: of each model and point what its own scores
        alone say."""
        return scores

    def sets_in(self, kept: Answers) -> int:
        """Return how many scores for each query point are in a row of what was read."""
        return self.sets

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        return source.answers(role, arm, repeats, votes or self.votes)

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return (K, sets * m), or (K, sets * m, C), float64. A diverged model answers NaN. The adversary reads that
        as 0.5, or as 1 / C for each of C classes: the uninformative answer."""
        seen: np.ndarray = kept.scores[chosen]
        sets = self.sets_in(kept)
        asked = seen.shape[1] // sets
        if not np.array_equal(points, np.arange(asked)):  # most query sets are asked whole
            seen = seen[:, np.concatenate([points + i * asked for i in range(sets)])]
        finite = np.isfinite(seen).all()
        seen = seen.astype(np.float64)
        if not finite and seen.ndim == 3:
            seen[~np.isfinite(seen).all(axis=2)] = 1 / seen.shape[2]
        elif not finite:
            np.nan_to_num(seen, copy=False, nan=0.5, posinf=1.0, neginf=0.0)
        return self.of(seen)
