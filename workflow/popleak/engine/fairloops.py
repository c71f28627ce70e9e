"""The fairness penalty in the compiled loops: what `engine.eo.PenaltyState.gradient` computes, for one model's batch.

All functions are for rows begin to count of a batch, whose terms and groups are in `cells` (`engine.eo.cells_of`), and add the gradient
of the penalty by the logits to the signal of the cross-entropy, in place. term: a `Term`; multipliers (T,) and vacuous (1,) are one
model's and are updated.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .layout import COVARIANCE, LAGRANGIAN, SQUARED
from .tile import INNER


@njit(**INNER)
def differ(work, at, step, begin, count, index, cells, term, multipliers, vacuous, sums, slopes):
    """A penalty on the difference of mean scores, for two classes; p stands beside each row's signal.

    sums (2, 2 T + 1), slopes (2 T + 1,): buffers, by cell.
    """
    sums[:], slopes[:] = 0, 0
    there = sums[1]
    for r in range(begin, count):
        cell = cells[index[r]]
        sums[0, cell] += work[at + r * step + 1]
        there[cell] += 1
    for t in range(multipliers.size):
        zero, one = there[2 * t], there[2 * t + 1]
        if zero == 0 or one == 0:
            vacuous[0] += 1
            continue
        difference = sums[0, 2 * t] / zero - sums[0, 2 * t + 1] / one
        slope = 2 * term.weight * difference if term.form == SQUARED else multipliers[t] * np.sign(difference)
        if term.form == LAGRANGIAN:
            multipliers[t] = max(multipliers[t] + term.dual_rate * (abs(difference) - term.epsilon), 0.0)
        if term.form == COVARIANCE:
            slope *= zero * one / ((zero + one) * (zero + one))
        slopes[2 * t], slopes[2 * t + 1] = slope / zero, -slope / one
    unit = work.dtype.type(1)
    for r in range(begin, count):
        p = work[at + r * step + 1]
        work[at + r * step] += slopes[cells[index[r]]] * p * (unit - p)


@njit(**INNER)
def differ_of_many(work, at, step, begin, count, index, cells, term, multipliers, vacuous, sums, slopes, chances):
    """As `differ`, for C > 2 classes, with probabilities chances (rows, C); sums (2 T + 1, C + 1), slopes ((2 T + 1) * C,)."""
    sums[:], slopes[:] = 0, 0
    classes = chances.shape[1]
    for r in range(begin, count):
        cell = cells[index[r]]
        for c in range(classes):
            sums[cell, c] += chances[r, c]
        sums[cell, classes] += 1
    for t in range(multipliers.size):
        zero, one = sums[2 * t, classes], sums[2 * t + 1, classes]
        if zero == 0 or one == 0:
            vacuous[0] += 1
            continue
        size = 0.0
        for c in range(classes):
            difference = sums[2 * t, c] / zero - sums[2 * t + 1, c] / one
            slope = 2 * term.weight * difference if term.form == SQUARED else multipliers[t] * np.sign(difference)
            if term.form == COVARIANCE:
                slope *= zero * one / ((zero + one) * (zero + one))
            slope /= classes
            size += abs(difference) / classes
            slopes[2 * t * classes + c], slopes[(2 * t + 1) * classes + c] = slope / zero, -slope / one
        if term.form == LAGRANGIAN:
            multipliers[t] = max(multipliers[t] + term.dual_rate * (size - term.epsilon), 0.0)
    for r in range(begin, count):
        own, mean = cells[index[r]] * classes, work.dtype.type(0)
        for c in range(classes):
            mean += slopes[own + c] * chances[r, c]
        for c in range(classes):
            work[at + r * step + c] += chances[r, c] * (slopes[own + c] - mean)


@njit(**INNER)
def _centred(there, cell):
    """Return the group of a row of `cell`, centred among its term's rows and divided by their number; there (2 T + 1,): rows by cell."""
    term = cell // 2
    if 2 * term + 1 >= there.size:  # no term sees it
        return 0.0
    zero, one = there[2 * term], there[2 * term + 1]
    total = zero + one
    return (zero if cell % 2 else -one) / (total * total)


@njit(**INNER)
def _counted(there, begin, count, index, cells, vacuous):
    """Count the rows of each cell, and the terms that are vacuous."""
    there[:] = 0
    for r in range(begin, count):
        there[cells[index[r]]] += 1
    for t in range(there.size // 2):
        if there[2 * t] == 0 or there[2 * t + 1] == 0:
            vacuous[0] += 1


@njit(**INNER)
def depend(work, at, step, begin, count, index, cells, term, vacuous, sums):
    """The penalty `hsic` for two classes. sums (2 T + 2, D), D at least 2 T + 1: a buffer.

    With scores in units of the bandwidth, about their middle, the kernel is exp(-u^2 / 2) exp(-v^2 / 2) exp(u v), and the last is
    the series of (u v)^d / d!. So the kernel is the inner product of features f_d(u) = exp(-u^2 / 2) u^d / sqrt(d!), of which D
    (`engine.layout.degree`) give all digits, and each row takes D products instead of one for every other row. The derivative of f_d
    is sqrt(d) f_(d - 1) - sqrt(d + 1) f_(d + 1).
    """
    terms, degree = sums.shape[0] // 2 - 1, sums.shape[1]
    there, inverse = sums[2 * terms][: 2 * terms + 1], sums[2 * terms + 1]
    _counted(there, begin, count, index, cells, vacuous)
    for d in range(degree):
        inverse[d] = 1 / math.sqrt(d + 1.0)
    sums[: 2 * terms] = 0
    for r in range(begin, count):
        cell = cells[index[r]]
        mine = _centred(there, cell)
        if mine != 0:
            _features(sums[cell // 2], inverse, _units(work[at + r * step + 1], term.bandwidth), mine)
    for t in range(terms):
        whole, slopes = sums[t], sums[terms + t]
        for d in range(degree):
            if d + 1 < degree:
                slopes[d] += whole[d + 1] / inverse[d]
            if d > 0:
                slopes[d] -= whole[d - 1] / inverse[d - 1]
    for r in range(begin, count):
        cell = cells[index[r]]
        mine = _centred(there, cell)
        if mine != 0:
            p = np.float64(work[at + r * step + 1])
            slope = _along(sums[terms + cell // 2], inverse, _units(p, term.bandwidth))
            work[at + r * step] += 4 * term.weight / term.bandwidth * mine * slope * p * (1 - p)


@njit(**INNER)
def _units(p, bandwidth):
    """Return a score in units of the bandwidth, about the middle of all scores."""
    return (np.float64(p) - 0.5) / bandwidth


@njit(**INNER)
def _features(into, inverse, u, factor):
    """Add the features of u (D,), times factor."""
    feature = factor * math.exp(-u * u / 2)
    for d in range(into.size):
        into[d] += feature
        feature *= u * inverse[d]


@njit(**INNER)
def _along(numbers, inverse, u):
    """Return the inner product of numbers (D,) and the features of u."""
    feature, total = math.exp(-u * u / 2), 0.0
    for d in range(numbers.size):
        total += feature * numbers[d]
        feature *= u * inverse[d]
    return total


@njit(**INNER)
def depend_of_many(work, at, step, begin, count, index, cells, term, vacuous, sums, slopes, chances):
    """As `depend`, for C > 2 classes. sums, slopes, chances as for `differ_of_many`."""
    classes, scale = chances.shape[1], term.bandwidth * term.bandwidth
    there = slopes[: sums.shape[0]]
    _counted(there, begin, count, index, cells, vacuous)
    for i in range(begin, count):
        own = cells[index[i]]
        mine = _centred(there, own)
        if mine == 0:
            continue
        pull = sums[0]
        pull[:] = 0
        for j in range(begin, count):
            other = cells[index[j]]
            if other // 2 == own // 2:
                square = 0.0
                for c in range(classes):
                    square += (chances[i, c] - chances[j, c]) ** 2
                near = _centred(there, other) * math.exp(-square / (2 * scale))
                for c in range(classes):
                    pull[c] += near * (chances[i, c] - chances[j, c])
        mean = 0.0
        for c in range(classes):
            pull[c] *= -4 * term.weight / scale * mine
            mean += pull[c] * chances[i, c]
        for c in range(classes):
            work[at + i * step + c] += chances[i, c] * (pull[c] - mean)
