"""Rows with which a sharer makes its training data unfair, and hides that it did: the attack `fairness-poisoning`.

The sharer replaces a share of its rows, drawn at random, by rows of its own. All of them are true records; what is wrong is how often they are
there. They are chosen greedily so that I(S; Y) of group and label rises, while I(X; Y) of features and label, which a receiver could look at,
stays near its clean value ("Exploring Privacy and Fairness Risks in Sharing Diffusion Models", arXiv:2402.18607).

I(S; Y) knows only how many rows each cell (group, label) holds, so the greedy choice is one of four cells, and which of a cell's rows is taken is
free. I(X; Y) is checked a batch of rows at a time. Where it has left its range, the batch is taken back and chosen again from the same cells:
as many of its rows as bring I(X; Y) back to its clean value are exchanged for others of their cell, of which a regression on all rows
predicts the label worse (or better). Where a cell holds too few such rows I(X; Y) stays outside, and what was reached says so: group and label
that tell much of each other are hard to hide from features that tell the group.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.errors import PopleakError
from ..core.needs import half_up
from ..core.seeds import generator
from ..core.worlds import World
from ..measures import information
from ..store.records import Loaded

CELLS = 4
"""(group, label), numbered 2 group + label."""


class Poisoned(NamedTuple):
    """What a sharer trains on.

    rows (n,) int64: ids, those that are replaced at the places of the rows that they replace; share: of rows that are the sharer's choice;
    information_sy: I(S; Y) of these rows, information_xy: the bound on their I(X; Y), clean_xy: that of the clean rows, all in nats, NaN where a
    label has fewer than two rows;
    steps_back: batches that were taken back.
    """

    rows: np.ndarray
    share: float
    information_sy: float
    information_xy: float
    clean_xy: float
    steps_back: int

    def inside(self, tolerance: float) -> bool:
        """Return whether I(X; Y) is within this share of its clean value. Exchanging rows does not always bring it back."""
        return abs(self.information_xy - self.clean_xy) <= tolerance * self.clean_xy


def chosen(
    x: np.ndarray,
    y: np.ndarray,
    a: np.ndarray,
    *,
    clean: np.ndarray,
    pool: np.ndarray,
    share: float,
    seed: int,
    tolerance: float = 0.1,
    every: int = 100,
) -> Poisoned:
    """Return the rows of a sharer who replaces `share` of its rows to raise I(S; Y).

    Parameters
    ----------
    x, y, a
        Features (N, d), labels and groups (N,) in {0, 1} of all records.
    clean, pool
        (n,) and (k,) row ids: those that are replaced, and those that may replace them. A row that is in both is not chosen.
    share
        From 0 to 1. With one seed, the rows chosen for a smaller share are among those for a larger one, at the same places.
    tolerance
        How far I(X; Y) may be from its clean value, as a share of it.
    every
        Rows in a batch, after which I(X; Y) is checked.

    The dependence grows in the sign that it has among the clean rows (positive where it has none). A cell that is exhausted gives way to the
    next best. Raises PopleakError if before `share` is reached no cell is left that raises I(S; Y): results are tabled by the share, so fewer
    rows under its name would be wrong. Raises PopleakError, too, where a label has fewer than two rows, of which there is no I(X; Y) to keep.
    Raises ValueError for a share outside [0, 1].
    """
    clean, wanted = np.asarray(clean, dtype=np.int64), _wanted(share, len(clean))
    cell = 2 * np.asarray(a, dtype=np.int64) + y
    places = _places(len(clean), seed)
    free = _Free(cell, np.setdiff1d(pool, clean), seed)
    before, rows, done, back = _kept(x, y, clean, seed), clean.copy(), 0, 0
    sign = 1.0 if _signed(_count(cell[clean])) >= 0 else -1.0
    while done < wanted:
        # whole batches, so that what is checked does not depend on the share
        batch = places[done : done + every]
        cells = _greedy(_count(cell[rows]), cell[rows[batch]], free.left(), sign)
        where = batch[: len(cells)]
        if len(cells) < min(len(batch), wanted - done):
            raise PopleakError(
                f"fairness-poisoning: share {share:g} of {len(clean)} rows is asked for, but the pool holds rows that raise I(S; Y) "
                f"for a share of {(done + len(cells)) / len(clean):.2f} at most: lower the shares, or give the pool more rows"
            )
        rows[where] = free.next(cells)
        excess = _kept(x, y, rows, seed) - before
        if abs(excess) > tolerance * before:
            there = free.all()
            surprise = np.zeros(len(y))
            surprise[there] = information.surprise(x[rows], y[rows], x[there], y[there])
            rows[where] = free.exchanged(rows[where], surprise, excess * len(rows))
            back += 1
        free.take(rows[where])
        done += len(where)
    rows[places[wanted:]] = clean[places[wanted:]]
    return _reached(x, y, a, rows, wanted, before, seed, back)


def flipped(x: np.ndarray, y: np.ndarray, a: np.ndarray, *, clean: np.ndarray, share: float, seed: int) -> Poisoned:
    """Return the rows of a sharer who flips labels instead: the comparator of `chosen`, whose parameters these are.

    Of the share of rows that `chosen` would replace, at the same places, those of one group all get one label, against the group: the group
    and the label by which I(S; Y) would rise most, in the sign that it has among the clean rows, if the whole group got it. Rows that have that
    label already stay as they are. Row N + i is row i with its label flipped (`store.records.with_twins`).
    """
    clean, wanted = np.asarray(clean, dtype=np.int64), _wanted(share, len(clean))
    counts = _count(2 * np.asarray(a, dtype=np.int64)[clean] + y[clean])
    sign = 1 if _signed(counts) >= 0 else -1
    whole = []
    for group in (0, 1):
        label = group if sign > 0 else 1 - group
        table = counts.reshape(2, 2).copy()
        table[group, label], table[group, 1 - label] = table[group].sum(), 0
        whole.append((float(information.of_tables(table)), group, label))
    _, group, label = max(whole)
    rows = clean.copy()
    there = _places(len(clean), seed)[:wanted]
    against = there[(a[clean[there]] == group) & (y[clean[there]] != label)]
    rows[against] += len(y)
    twice = (np.concatenate([x, x]), np.concatenate([y, 1 - y]), np.concatenate([a, a]))
    return _reached(*twice, rows, wanted, _bound(x, y, clean, seed), seed, 0)


def tampered(world: World, rows: np.ndarray, pool: np.ndarray, records: Loaded, seed: int, key: str) -> np.ndarray:
    """Return a sharer's rows (n,) with those that it replaced, if it did; pool (k,): the rows that it may replace them by."""
    x, y, a = records.x, records.y, records.a
    try:
        if world.chosen is not None:
            return chosen(x, y, a, clean=rows, pool=pool, share=world.chosen, seed=seed).rows
        if world.flipped is not None:
            return flipped(x, y, a, clean=rows, share=world.flipped, seed=seed).rows
    except PopleakError as error:
        raise PopleakError(f"{key}, victim pool: {error}") from None
    return rows


class _Free:
    """Rows of the pool that are not taken yet, by cell, in a random order."""

    def __init__(self, cell: np.ndarray, pool: np.ndarray, seed: int) -> None:
        order = generator(seed, "poison", "pool").permutation(pool)
        self.cell = cell
        self.rows = [order[cell[order] == number] for number in range(CELLS)]

    def left(self) -> np.ndarray:
        """Return the number of rows in each cell (4,)."""
        return np.array([len(rows) for rows in self.rows])

    def all(self) -> np.ndarray:
        """Return all rows (k,) that are free."""
        return np.concatenate(self.rows)

    def next(self, cells: np.ndarray) -> np.ndarray:
        """Return for each of these cells (m,) its next row; none is taken yet."""
        found = np.empty(len(cells), dtype=np.int64)
        for number, rows in enumerate(self.rows):
            mine = cells == number
            found[mine] = rows[: mine.sum()]
        return found

    def exchanged(self, rows: np.ndarray, surprise: np.ndarray, excess: float) -> np.ndarray:
        """Return the batch `rows` (m,) with as many exchanged within their cells as take `excess` nats of information off, or put them on
        where it is negative, as far as the cells allow; surprise (N,): of all records, by a regression on all rows there are now."""
        sign = 1.0 if excess > 0 else -1.0
        instead, gain = rows.copy(), np.zeros(len(rows))
        for number, free in enumerate(self.rows):
            mine = np.flatnonzero(self.cell[rows] == number)
            others = free[len(mine) :]
            if not len(mine) or not len(others):
                continue
            # the least fit of the batch go first, for the fittest of the others
            out = mine[np.argsort(sign * surprise[rows[mine]], kind="stable")][: len(others)]
            instead[out] = others[np.argsort(-sign * surprise[others], kind="stable")][: len(out)]
            gain[out] = sign * (surprise[instead[out]] - surprise[rows[out]])
        order = np.argsort(-gain, kind="stable")
        enough = int(np.searchsorted(np.cumsum(gain[order].clip(0)), abs(excess))) + 1
        order = order[:enough][gain[order[:enough]] > 0]
        found = rows.copy()
        found[order] = instead[order]
        return found

    def take(self, rows: np.ndarray) -> None:
        self.rows = [free[~np.isin(free, rows)] for free in self.rows]


def _greedy(counts: np.ndarray, removed: np.ndarray, left: np.ndarray, sign: float) -> np.ndarray:
    """Return the cells (m,) of which a row is added, one for each row that is `removed`, whose cells are given, while one raises I(S; Y).

    counts (4,): of the rows before; left (4,): rows that each cell holds.
    """
    counts, left = counts.copy(), left.copy()
    found = []
    for gone in removed:
        counts[gone] -= 1
        value = sign * _signed(np.vstack([counts, counts + np.eye(CELLS, dtype=np.int64)]))
        gain = np.where(left > 0, value[1:] - value[0], -np.inf)
        best = int(gain.argmax())
        if gain[best] <= information.TIED / len(removed):
            break
        counts[best] += 1
        left[best] -= 1
        found.append(best)
    return np.array(found, dtype=np.int64)


def _signed(counts: np.ndarray) -> np.ndarray:
    """Return I(S; Y) of counts (..., 4), negative where label 1 is rarer in group 1 than in group 0."""
    counts = counts.astype(np.int64)
    turn = np.sign(counts[..., 0] * counts[..., 3] - counts[..., 1] * counts[..., 2])
    return turn * information.of_tables(counts.reshape(*counts.shape[:-1], 2, 2))


def _count(cell: np.ndarray) -> np.ndarray:
    return np.bincount(cell, minlength=CELLS)


def _wanted(share: float, rows: int) -> int:
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in 0 to 1, not {share}")
    return half_up(share * rows)


def _places(rows: int, seed: int) -> np.ndarray:
    """Return the places (n,) in the order in which their rows are replaced."""
    return generator(seed, "poison", "places").permutation(rows)


def _bound(x: np.ndarray, y: np.ndarray, rows: np.ndarray, seed: int) -> float:
    """Return the bound on I(X; Y) of these rows; NaN where a label has fewer than two of them."""
    few = np.bincount(y[rows], minlength=2).min() < 2
    return np.nan if few else information.mutual(x[rows], y[rows], seed=seed)


def _kept(x: np.ndarray, y: np.ndarray, rows: np.ndarray, seed: int) -> float:
    """Return the same where it is to be kept. Raises PopleakError where there is none."""
    found = _bound(x, y, rows, seed)
    if np.isnan(found):
        counts = np.bincount(y[rows], minlength=2)
        raise PopleakError(
            f"fairness-poisoning: {counts.min()} of a sharer's {len(rows)} rows has label {counts.argmin()}, and I(X; Y), which it keeps, needs two of "
            f"each label: raise the task's `rows`, or choose a label that is less rare"
        )
    return found


def _reached(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, rows: np.ndarray, replaced: int, before: float, seed: int, back: int
) -> Poisoned:
    now = _bound(x, y, rows, seed) if replaced else before
    return Poisoned(rows, replaced / len(rows), information.between(a[rows], y[rows]), now, before, back)
