"""The exact likelihood of a histogram model's outputs: only label rates by cell are seen, not counts.

Write k_c and l_c for the numbers of positive and negative rows in cell c, L[a, c, y] for the pool's counts, n_a for the
rows drawn of group a. Summing the hypergeometric law over the unseen groups of the rows,

    P(k, l) = [u^{n_0}] prod_c P_c(k_c; u) N_c(l_c; u) / (C(L_0, n_0) C(L_1, n_1)),
    P_c(k; u) = sum_i C(L[0,c,1], i) C(L[1,c,1], k - i) u^i,      N_c(l; u) likewise with y = 0.

The coefficient of u^{n_0} is read off from values at the roots of unity (a discrete Fourier transform with as many
points as the polynomial has terms, so nothing is folded over). In pure worlds the product is a single term.
The outputs leave the cell sizes open: all sizes that fit the rates and add up to the rows are summed over. Cells that
no query point lies in act as one bin of unknown content, whose counts are their sums (Vandermonde's identity).
Rows are drawn without replacement; nothing is approximated but for rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.errors import PopleakError
from ..models.histogram import EMPTY
from ._law import law_of, log_normaliser, log_weights, strata
from .base import Game

MAX_ROWS = 2000
"""Up to here float32 tells all label rates apart, and the tables stay below half a GB for 4 cells."""
TOLERANCE = 1e-7
"""Rounding of a rate stored as float32 (at most 3e-8), below the distance of two rates (1 / MAX_ROWS^2)."""
FLOOR = 1e-13
"""Relative rounding error of an extracted coefficient: smaller ones are set to it, which weakens their evidence."""
MAX_COMBINATIONS = 2_000_000


class Counts(NamedTuple):
    """Numbers of positive k and negative l rows, each (M,), that give one cell's observed rate."""

    k: np.ndarray
    l: np.ndarray  # noqa: E741


def consistent(rate: float, *, rows: int) -> Counts:
    """Return all counts with k / (k + l) = rate and at most `rows` rows; the empty cell if the rate is 0.5."""
    n = np.arange(1, rows + 1)
    k = np.rint(rate * n).astype(np.int64)
    fits = np.abs(k / n - rate) <= TOLERANCE
    n, k = n[fits], k[fits]
    if rate == EMPTY:
        n, k = np.append(0, n), np.append(0, k)
    return Counts(k, n - k)


class Draw(NamedTuple):
    """One world's rows, by group: in the pool and drawn (2,); in label-balanced mode those of one label."""

    pool: np.ndarray
    drawn: np.ndarray

    @property
    def points(self) -> int:
        """How many roots of unity extraction needs; 1 in a pure world."""
        return 1 if (self.drawn == 0).any() else int(self.drawn.sum()) + 1

    def spectrum(self, counts: np.ndarray) -> np.ndarray:
        """Return P_c(k; u), k = 0 .. rows, at the roots of unity u: (rows + 1, points // 2 + 1) complex.

        counts (2,): the pool's rows by group in the cell. The other half of the points is the complex conjugate.
        """
        limit = int(self.drawn.sum())
        weights = [
            np.exp(log_weights(count=int(counts[a]), pool=int(self.pool[a]), drawn=int(self.drawn[a]), limit=limit))
            for a in (0, 1)
        ]
        k, i = np.ogrid[: limit + 1, : limit + 1]
        terms = np.where(i <= k, weights[0] * weights[1][np.abs(k - i)], 0.0)
        return np.fft.rfft(terms, axis=1) if self.points > 1 else terms.sum(axis=1, keepdims=True).astype(complex)

    def log_coefficient(self, values: np.ndarray) -> np.ndarray:
        """Return the log of the coefficient of u^{n_0} from values (..., points // 2 + 1), normalised; -inf if 0."""
        points, half = self.points, np.arange(self.points // 2 + 1)
        twice = np.where((half == 0) | (2 * half == points), 1.0, 2.0)
        turn = twice * np.exp(2j * np.pi * half * int(self.drawn[0]) / points) / points
        coefficient = np.maximum((values @ turn).real, FLOOR * values[..., 0].real)
        with np.errstate(divide="ignore"):
            return np.log(coefficient) - sum(
                log_normaliser(pool=int(self.pool[a]), drawn=int(self.drawn[a])) for a in (0, 1) if self.drawn[a]
            )


class Natural:
    """Log likelihoods in natural mode: labels are random within groups. One dynamic programme serves both worlds."""

    def __init__(self, *, game: Game, seen: np.ndarray) -> None:
        law = law_of(game)
        pool = law.sum(axis=(1, 2))
        self.rows = game.rows
        self.draws = [Draw(pool, strata(game, world=world)) for world in (0, 1)]
        # tables[c][y] (rows + 1, W): the spectra of both worlds side by side.
        self.tables = [[self._spectra(law[:, c, y]) for y in (0, 1)] for c in seen]
        self.rest = self._spectra(np.delete(law, seen, axis=1).sum(axis=(1, 2)))
        self.complete = len(seen) == law.shape[1]

    def _spectra(self, counts: np.ndarray) -> np.ndarray:
        return np.concatenate([draw.spectrum(counts) for draw in self.draws], axis=1)

    def log_likelihoods(self, rates: np.ndarray) -> tuple[float, float]:
        """Return log P(rates | world 0) and log P(rates | world 1) of the seen cells' rates (cells,)."""
        counts = [consistent(float(rate), rows=self.rows) for rate in rates]
        cells = [(count, negative, positive) for count, (negative, positive) in zip(counts, self.tables, strict=True)]
        # Cells with few consistent sizes first keep the number of partial sums low.
        cells.sort(key=lambda cell: len(cell[0].k))
        values = self._sum_over_sizes(cells)
        split = self.draws[0].points // 2 + 1
        zero, one = (
            float(draw.log_coefficient(part)) for draw, part in zip(self.draws, np.split(values, [split]), strict=True)
        )
        return zero, one

    def _sum_over_sizes(self, cells: list[tuple[Counts, np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return the sum over all consistent sizes of the product over cells (W,), by partial sums of rows."""
        reach = completable([counts.k + counts.l for counts, *_ in cells], rows=self.rows, complete=self.complete)
        state = np.zeros((self.rows + 1, self.rest.shape[1]), complex)
        state[0], sums = 1.0, np.array([0])
        for (counts, negative, positive), needed in zip(cells, reach, strict=True):
            sizes = counts.k + counts.l
            factors = positive[counts.k] * negative[counts.l]
            new = np.zeros_like(state)
            if len(sizes) <= len(sums):
                for size, factor in zip(sizes, factors, strict=True):
                    at = sums[sums + size <= self.rows]
                    at = at[needed[at + size]]
                    new[at + size] += state[at] * factor
            else:
                for at in sums:
                    ok = np.flatnonzero(at + sizes <= self.rows)
                    ok = ok[needed[at + sizes[ok]]]
                    new[at + sizes[ok]] += state[at] * factors[ok]
            state, sums = new, np.flatnonzero(np.any(new != 0, axis=1))
        return np.einsum("sw,sw->w", state[sums], self.rest[self.rows - sums])


def completable(sizes: list[np.ndarray], *, rows: int, complete: bool) -> list[np.ndarray]:
    """Return, for each cell, which sums (rows + 1,) of rows after it the later cells can still bring to `rows`."""
    none = np.zeros(rows + 1, bool)
    needed = none.copy()
    needed[rows if complete else slice(None)] = True
    reach = []
    for cell in reversed(sizes):
        reach.append(needed)
        needed = np.any([none, *(np.append(needed[size:], none[:size]) for size in cell)], axis=0)
    return reach[::-1]


class Balanced:
    """Log likelihoods in label-balanced mode: positives and negatives are separate draws of fixed sizes."""

    def __init__(self, *, game: Game, seen: np.ndarray) -> None:
        law = law_of(game)
        pool, self.rows = law.sum(axis=1), game.rows
        self.complete = len(seen) == law.shape[1]
        rest = np.delete(law, seen, axis=1).sum(axis=1)
        self.worlds = []
        for world in (0, 1):
            sizes = strata(game, world=world)
            draws = [Draw(pool[:, y], sizes[:, y]) for y in (0, 1)]
            tables = [[draws[y].spectrum(law[:, c, y]) for c in seen] for y in (0, 1)]
            self.worlds.append((draws, tables, [draws[y].spectrum(rest[:, y]) for y in (0, 1)]))

    def log_likelihoods(self, rates: np.ndarray) -> tuple[float, float]:
        """Return log P(rates | world 0) and log P(rates | world 1) of the seen cells' rates (cells,)."""
        cells = [consistent(float(rate), rows=self.rows) for rate in rates]
        zero, one = (self._log_likelihood(cells, *world) for world in self.worlds)
        return zero, one

    def _log_likelihood(self, cells: list[Counts], draws: list[Draw], tables: list, rest: list) -> float:
        totals = [int(draw.drawn.sum()) for draw in draws]
        parts = self._combinations(cells, positives=totals[1], negatives=totals[0])
        if not len(parts[0]):
            return -np.inf
        log = np.zeros(len(parts[0]))
        for y, counts in ((1, parts[0]), (0, parts[1])):
            for chunk in np.array_split(np.arange(len(counts)), len(counts) // 4096 + 1):
                values = rest[y][totals[y] - counts[chunk].sum(axis=1)]
                for c, table in enumerate(tables[y]):
                    values = values * table[counts[chunk, c]]
                log[chunk] += draws[y].log_coefficient(values)
        return float(np.logaddexp.reduce(log))

    def _combinations(self, cells: list[Counts], *, positives: int, negatives: int) -> tuple[np.ndarray, np.ndarray]:
        """Return all k and l, each (combinations, cells), that fit every rate and add up to both totals."""
        k, l = np.zeros((1, 0), np.int64), np.zeros((1, 0), np.int64)  # noqa: E741
        for done, cell in enumerate(cells):
            k_sum = k.sum(axis=1)[:, None] + cell.k
            l_sum = l.sum(axis=1)[:, None] + cell.l
            fits = (k_sum <= positives) & (l_sum <= negatives)
            if self.complete:
                # What the later cells can add at most bounds what is still missing.
                for total, sums, later in (
                    (positives, k_sum, [c.k for c in cells[done + 1 :]]),
                    (negatives, l_sum, [c.l for c in cells[done + 1 :]]),
                ):
                    fits &= sums + sum(int(c.max(initial=0)) for c in later) >= total
            before, now = np.nonzero(fits)
            if len(before) > MAX_COMBINATIONS:
                raise PopleakError("rows: too many cell sizes fit one victim's rates: lower rows or the cells' number")
            k, l = np.column_stack([k[before], cell.k[now]]), np.column_stack([l[before], cell.l[now]])  # noqa: E741
        return k, l


def likelihood(*, game: Game, seen: np.ndarray) -> Natural | Balanced:
    """Return the likelihood of the rates in the cells `seen`. Raises PopleakError if rows exceed MAX_ROWS."""
    if game.rows > MAX_ROWS:
        raise PopleakError(
            f"rows: ceiling serves histogram models of up to {MAX_ROWS} rows, not {game.rows}: lower rows"
        )
    return (Natural if game.mode == "natural" else Balanced)(game=game, seen=seen)
