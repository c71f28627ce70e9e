"""Dropping proxies: the model does not look at the features that tell a record's group best."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ..core.errors import PopleakError
from ..core.needs import half_up
from .base import Defence, Owner, Population, TrainSettings


class DropProxies(Defence):
    """A new model on the rows of S_0, from the same initial weights as M_0, that does not read the features which give the group away most.

    This is the old remedy "leave out the attribute and what stands for it" (Pedreshi et al., KDD 2008, call such features potentially
    discriminatory; Kamiran and Calders 2012 show why leaving out the attribute alone is not enough). Which they are is measured on
    public rows, never on S_0, whose groups are the secret: each original column is ranked by how well it alone tells the group
    (`tells`), and the first `drop` are left out, all one-hot features of a column together. Where the attribute is among the features it
    is the first to go. The numbers of the first layer that read them are 0 and stay 0, so that the release does not depend
    on these features at all. It does depend on S_0, by all others: there is no certificate.
    """

    name = "drop-proxies"
    summary = "trained without the features that tell the group best, as public rows show"
    access = "training"
    complement = False
    public = True
    mlps_only = True
    wants = ("mask",)

    class Settings(TrainSettings):
        drop: Annotated[int, Field(ge=1, le=10_000)] | Annotated[float, Field(gt=0, lt=1)] = 0.2
        """How many original columns are left out: a number of them, or a share below 1, rounded, at least one."""

    def apply(self, owner: Owner, settings: DropProxies.Settings) -> Population:
        dropped, start = proxies(owner, settings.drop), owner.initial()
        found = owner.population
        for features in np.unique(dropped, axis=0):  # models that leave out the same features are trained together
            part, blind = np.flatnonzero((dropped == features).all(1)), owner.inputs(features)
            trained, _ = owner.train(
                owner.draw[part],
                part=part,
                start=np.where(blind, 0, start[part]),
                mask=~blind,
                **settings.steps,
            )
            found = found.replaced(part, trained)
        return found


def proxies(owner: Owner, drop: float) -> np.ndarray:
    """Return of each model (K, d) which features it leaves out, as its public rows have it. Ties go to the first column. Raises
    PopleakError if no column is left."""
    columns = int(owner.columns.max()) + 1
    count = drop if isinstance(drop, int) else max(half_up(drop * columns), 1)
    if count >= columns:
        raise PopleakError(
            f"config: drop-proxies: drop: {count} of {columns} columns leave none to look at: lower `drop`"
        )
    found = np.zeros((len(owner.seeds), len(owner.columns)), dtype=bool)
    for k, rows in enumerate(owner.public):
        each = [tells(owner.x[rows][:, owner.columns == column], owner.a[rows]) for column in range(columns)]
        first = np.argsort(-np.round(each, 9), kind="stable")[:count]
        found[k] = np.isin(owner.columns, first)
    return found


def tells(values: np.ndarray, group: np.ndarray) -> float:
    """Return how well a column alone tells the group, in [0, 1]: |2 AUC - 1|.

    values: its features (m, f); group (m,) in {0, 1}. The score of a single feature is its value. Of several it is the share of group 1
    among rows with the same values in the other half of the rows (the first or the second, which are in random order), so that a value
    that few rows have seems no better than it is. 0 where a group has no row.
    """
    if values.shape[1] == 1:
        return abs(2 * auc(values[:, 0], group) - 1)
    whole = np.ascontiguousarray(values).view(np.dtype((np.void, values.itemsize * values.shape[1])))
    _, value = np.unique(whole, return_inverse=True)  # a row as its bytes: ten times as fast as row by row
    value, half = value.reshape(-1), np.arange(len(group)) < len(group) // 2
    found = []
    for side in (half, ~half):
        rows = np.bincount(value[~side], minlength=value.max() + 1)
        ones = np.bincount(value[~side], weights=group[~side], minlength=value.max() + 1)
        usual = group[~side].mean() if (~side).any() else 0.5
        found.append(2 * auc(((ones + usual) / (rows + 1))[value[side]], group[side]) - 1)
    return max(float(np.mean(found)), 0.0)


def auc(scores: np.ndarray, group: np.ndarray) -> float:
    """Return the probability that a row of group 1 has the higher score, ties counting half; 1/2 where a group has no row."""
    ones = int(group.sum())
    zeros = len(group) - ones
    if not ones or not zeros:
        return 0.5
    _, place, many = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(many) - (many - 1) / 2)[place.reshape(-1)]
    return float((rank[group == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


PLUGIN = DropProxies()
