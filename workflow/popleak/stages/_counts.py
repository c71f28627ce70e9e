"""What the stage `measure` counts: a query pool, what victims answered on its rows, and the laws of the two worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.worlds import World
from ..measures import bounds as forms
from ..measures import bounds_finer, classes, fairness
from ..store.records import Loaded


class Pool(NamedTuple):
    """A query pool of m rows, in random order, so that rows taken in turn are random halves.

    rows, y, a (m,): row ids, labels, groups; subgroup (m,): the second attribute, or None if the dataset has none;
    weights (m,): weights that give each group its share in the dataset; halved (2, C, 2): number of rows by half,
    label and group; unseen (C, 2): number of rows of the table, by label and group, that no victim of this split is
    trained on. The pool is a random part of these.
    """

    rows: np.ndarray
    y: np.ndarray
    a: np.ndarray
    subgroup: np.ndarray | None
    weights: np.ndarray
    halved: np.ndarray
    unseen: np.ndarray
    classes: int = 2

    @classmethod
    def of(cls, rows: np.ndarray, records: Loaded, unseen: np.ndarray) -> Pool:
        """Return the pool of these rows, in this order; unseen (N,) bool."""
        y, a, second = records.y[rows], records.a[rows], records.subgroup
        share, there = records.facts["group_share"], (a == 1).mean()
        weights = np.where(a == 1, share / there, (1 - share) / (1 - there))
        several, second = records.classes, None if second is None else second[rows]
        free = np.bincount(2 * records.y[unseen].astype(int) + records.a[unseen], minlength=2 * several).reshape(-1, 2)
        halves = bounds_finer.halved(y, a) if several == 2 else classes.halved(y, a, several)
        return cls(rows, y, a, second, weights, halves, free, several)

    @property
    def counts(self) -> np.ndarray:
        """Number of rows by label and group, (2, 2)."""
        return self.halved.sum(axis=0)


class Said(NamedTuple):
    """The answers of K victims on the rows of their pool, as counts. The columns of `models` and `bounds` are
    computed from these alone.

    keys: columns of `models` that identify the victims, each (K,); cells (K, 2, 2, 2, BINS): the counts of
    `bounds_finer.score_cells`, or for C > 2 classes those of `classes.confusion` (K, 2, C, 2, C); groups: the counts
    of `group_cells` if there is a second attribute (two classes only); auc, status (K,).
    """

    keys: dict[str, np.ndarray]
    cells: np.ndarray
    groups: np.ndarray | None
    auc: np.ndarray
    status: np.ndarray

    @classmethod
    def of(cls, keys: dict[str, np.ndarray], scores: np.ndarray, finite: np.ndarray, pool: Pool) -> Said:
        """Return the counts of K models with scores (K, m) or (K, m, C). finite (K,): whether all weights of a model
        are finite."""
        if pool.classes > 2:
            unknown = np.full(len(scores), np.nan)
            return cls(keys, classes.confusion(scores, pool.y, pool.a), None, unknown, status(scores, finite))
        second = pool.subgroup
        return cls(
            keys,
            bounds_finer.score_cells(scores, pool.y, pool.a),
            None if second is None else bounds_finer.group_cells(scores, pool.y, pool.a, second)[0],
            fairness.auc(scores, pool.y, weights=pool.weights),
            status(scores, finite),
        )

    @classmethod
    def together(cls, parts: Sequence[Said]) -> Said:
        """Concatenate the models of all parts."""
        keys = {name: np.concatenate([part.keys[name] for part in parts]) for name in parts[0].keys}
        groups = None if parts[0].groups is None else np.concatenate([part.groups for part in parts])
        cells, auc, status = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("cells", "auc", "status")
        )
        return cls(keys, cells, groups, auc, status)

    @property
    def positives(self) -> np.ndarray:
        """Number of rows with predicted label 1, by half, label and group: (K, 2, 2, 2)."""
        return self.cells[..., bounds_finer.UPPER].sum(axis=4)


class Worlds:
    """The two worlds' joint laws P(y, a) (C, 2), from the dataset's own rates, and the natural share of group 1."""

    def __init__(self, worlds: Sequence[World], mode: str, facts: Mapping[str, Any]) -> None:
        self.share = facts["group_share"]
        if "group_class_rates" in facts:
            self.joints = [classes.joint(ratio=world.ratio, rates=facts["group_class_rates"]) for world in worlds]
            return
        rates = np.array(facts["group_label_rates"])
        laws = [world.drawn(mode, facts["label_rate"]) for world in worlds]
        self.joints = [
            forms.world_cells(ratio=ratio, mode=mode, rates=rates, label_rate=rate) for ratio, mode, rate in laws
        ]

    def accuracies(self, positives: np.ndarray) -> np.ndarray:
        """Return the accuracy (2, K) in each world of models with P(yhat = 1 | y, a) = positives (K, 2, 2)."""
        right = np.stack([1 - positives[:, 0], positives[:, 1]], 1)
        return np.stack([np.einsum("ya,kya->k", joint, right) for joint in self.joints])


def status(scores: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Return 'diverged', 'constant' or 'ok' for each model with scores (K, m) or (K, m, C); finite (K,): of its weights."""
    return fairness.status(scores, finite) if scores.ndim == 2 else classes.status(scores, finite)
