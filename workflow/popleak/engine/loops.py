"""The loops of `fused` that numba compiles: a step of one model on a flat array, and the loop over many models.

This module is imported only when machine code is compiled. `compiled` keeps that code, so most jobs load neither
numba nor this module. The compiled function takes one C pointer and needs neither Python nor numba at run time.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

from .layout import ACTIVATIONS, LAGRANGIAN, LANES, LENGTH, ROWS, SQUARED, Term
from .tile import INNER, MASK, PLAIN, RELU, arguments, copy, fetch, product, transpose

FAST = {"contract", "reassoc", "nsz", "arcp"}  # NaN and infinity keep their meaning: they show divergence


@njit(**INNER)
def _gather(work, shape, table, index, first, count, ahead):
    """Copy rows index[first : first + count] of the table into the arena, and prefetch the rows `ahead`, which come
    next."""
    length = shape[0, LENGTH]
    for r in range(count):
        copy(work, shape[0, ACTIVATIONS] + r * length, table, index[first + r] * length, length)
    for r in range(ahead.size):
        fetch(table, ahead[r] * length, length)


@njit(**INNER)
def _forward(work, shape, rows):
    """Compute all activations and the logits of the rows that were gathered."""
    for layer in range(len(shape) - 1):
        inputs, outputs, weights = shape[layer, 0], shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        form = np.int64(RELU if layer + 2 < len(shape) else PLAIN)
        c, row_c = shape[layer + 1, ACTIVATIONS], shape[layer + 1, LENGTH]
        product(work, rows, outputs, inputs, a, row_a, np.int64(1), weights, outputs, c, row_c, form)


@njit(**INNER)
def _backward(work, shape, rows, count, gradients, transposed, first, second, rate, root, decay):
    """Take one step of Adam along the gradients of sum(signal * logits), where the signals have replaced the logits.

    A layer is updated as soon as nothing else needs its weights: they and their gradients are still in the cache.
    gradients, transposed: offsets of buffers for one layer; first, second: the moments; rate, root, decay: see
    `_adam`.
    """
    last = len(shape) - 2
    for layer in range(last, -1, -1):
        inputs, outputs, weights = shape[layer, 0], shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        g, row_g = shape[layer + 1, ACTIVATIONS], shape[layer + 1, LENGTH]
        # the transpose of the activations is read in place: one step along the sum is one row
        product(work, row_a, outputs, count, a, np.int64(1), row_a, g, row_g, gradients, outputs, np.int64(PLAIN))
        if layer:
            depth = 1 if layer == last else outputs  # of the padded logits only the first is more than 0
            units = inputs - 1
            for j in range(0, outputs, LANES):
                for i in range(0, units, LANES):
                    transpose(work, transposed + j * units + i, units, weights + i * outputs + j, outputs)
            # the stored activation is positive exactly where the ReLU let the value through; it is not needed after
            product(work, rows, units, depth, g, row_g, np.int64(1), transposed, units, a, row_a, np.int64(MASK))
        end = weights + row_a * outputs
        _adam(
            work[weights:end], work[gradients : gradients + end - weights], first[weights:end], second[weights:end],
            rate, root, decay,
        )  # fmt: skip


@njit(**INNER, fastmath=FAST)
def _adam(weights, gradients, first, second, rate, root, decay):
    """One step of Adam (Kingma & Ba 2015) with torch's defaults; rate and root hold the corrections of the step."""
    one = weights.dtype.type(1)
    share_1, share_2 = weights.dtype.type(1 - 0.9), weights.dtype.type(1 - 0.999)
    scale, part = weights.dtype.type(rate), weights.dtype.type(root)
    epsilon, shrink = weights.dtype.type(1e-8), weights.dtype.type(decay)
    for i in range(weights.size):
        gradient = gradients[i] + shrink * weights[i]
        first[i] += share_1 * (gradient - first[i])
        second[i] = (one - share_2) * second[i] + share_2 * (gradient * gradient)
        weights[i] -= scale * first[i] / (np.sqrt(second[i]) / part + epsilon)


@njit(**INNER)
def _cross_entropy(work, at, step, count, main, index, labels):
    """Replace the logits of a batch by d loss / d logit, which is 0 after the first `main` rows, and keep p beside it."""
    one = work.dtype.type(1)
    share = one / work.dtype.type(main)
    for r in range(count):
        place = at + r * step
        p = one / (one + np.exp(-work[place]))
        work[place] = (p - work.dtype.type(labels[index[r]])) * share if r < main else work.dtype.type(0)
        work[place + 1] = p


@njit(**INNER)
def _equalized_odds(work, at, step, begin, count, index, cells, term, multipliers, vacuous, sums, slopes):
    """Add the gradient of the EO term, on rows begin to count, to the signal of `_cross_entropy`.

    term: a `Term`; multipliers (2,) and vacuous (1,) are one model's and are updated. sums (2, 4), slopes (4,):
    buffers, by cell of label and group. As `engine.eo.PenaltyState.gradient`.
    """
    sums[:], slopes[:] = 0, 0
    there = sums[1]
    for r in range(begin, count):
        cell = cells[index[r]]
        sums[0, cell] += work[at + r * step + 1]
        there[cell] += 1
    for y in range(2):
        if there[2 * y] == 0 or there[2 * y + 1] == 0:
            vacuous[0] += 1
            continue
        difference = sums[0, 2 * y] / there[2 * y] - sums[0, 2 * y + 1] / there[2 * y + 1]
        slope = 2 * term.weight * difference if term.form == SQUARED else multipliers[y] * np.sign(difference)
        if term.form == LAGRANGIAN:
            multipliers[y] = max(multipliers[y] + term.dual_rate * (abs(difference) - term.epsilon), 0.0)
        slopes[2 * y], slopes[2 * y + 1] = slope / there[2 * y], -slope / there[2 * y + 1]
    one = work.dtype.type(1)
    for r in range(begin, count):
        p = work[at + r * step + 1]
        work[at + r * step] += slopes[cells[index[r]]] * p * (one - p)


@njit(**INNER)
def _power(base, exponent):
    """Return base ** exponent by squaring, for exponents of at least 0. Python's operator can raise, which a loop
    must not."""
    if exponent > 0x10000:
        return math.pow(base, float(exponent))
    found = 1.0
    while exponent != 0:
        if exponent & 1:
            found *= base
        exponent >>= 1
        base *= base
    return found


@njit(**INNER)
def _epoch(
    work, shape, gradients, transposed, table, labels, cells, order, extra, batch, weights, first, second, steps, rate, decay,
    index, form=None, weight=0.0, epsilon=0.0, dual_rate=0.0, extra_only=0, multipliers=None, vacuous=None, sums=None, slopes=None,
):  # fmt: skip
    """Train every model of a block for one epoch; its state (weights, moments, multipliers, vacuous) is updated.

    index: buffer for the rows of a step; form, weight, epsilon, dual_rate: the fields of a `Term`; form is None
    without an EO term, which is then not compiled at all.
    """
    size = weights.shape[1]
    at, step = shape[-1, ACTIVATIONS], shape[-1, LENGTH]
    for k in range(len(order)):
        copy(work, 0, weights[k], 0, size)
        taken = steps
        for part in range((order.shape[1] + batch - 1) // batch):
            start = part * batch
            main = min(batch, order.shape[1] - start)
            count = main + extra.shape[2]
            for r in range(main):
                index[r] = order[k, start + r]
            for r in range(extra.shape[2]):
                index[main + r] = extra[k, taken - steps, r]
            rows = (count + ROWS - 1) // ROWS * ROWS
            _gather(work, shape, table, index, np.int64(0), count, order[k, start + batch : start + 2 * batch])
            _forward(work, shape, rows)
            _cross_entropy(work, at, step, count, main, index, labels)
            if form is not None:
                term = Term(form, weight, epsilon, dual_rate)
                begin = main if extra_only else 0
                _equalized_odds(
                    work, at, step, begin, count, index, cells, term, multipliers[k], vacuous[k], sums, slopes
                )
            for r in range(count):
                work[at + r * step + 1] = 0  # it was a padded logit's place
            taken += 1
            _backward(
                work, shape, rows, count, gradients, transposed, first[k], second[k], rate / (1 - _power(0.9, taken)),
                (1 - _power(0.999, taken)) ** 0.5, decay,
            )  # fmt: skip
        copy(weights[k], 0, work, 0, size)


@njit(**INNER)
def _logits(work, shape, table, index, batch, weights, found):
    """Fill found (K, m) with the logits of packed weights (K, size) on rows index (K or 1, m) of the table."""
    at, step = shape[-1, ACTIVATIONS], shape[-1, LENGTH]
    for k in range(len(weights)):
        copy(work, 0, weights[k], 0, weights.shape[1])
        rows = index[k if len(index) > 1 else 0]
        for part in range((len(rows) + batch - 1) // batch):
            start = part * batch
            count = min(batch, len(rows) - start)
            _gather(work, shape, table, rows, start, count, rows[start + batch : start + 2 * batch])
            _forward(work, shape, (count + ROWS - 1) // ROWS * ROWS)
            for r in range(count):
                found[k, start + r] = work[at + r * step]


LOOPS = {"score": _logits, "train": _epoch, "train-fair": _epoch}
"""Functions by their name in `layout.ARGUMENTS`, which lists their arguments."""


def llvm(name: str, number: str, symbol: str) -> str:
    """Return loop `name` for numbers of the dtype `number` as LLVM's optimised text, in which it is the function `symbol`.

    It takes numba's two pointers, to what is returned and to what is raised (neither is used), and one to its
    arguments as `compiled` lays them out; it returns 0. No loop may contain code that can raise: numba would store
    the exception as a pickle.
    """
    loop, given = LOOPS[name], arguments(name, number)

    def call(block):
        loop(*given(block))

    signature = (types.CPointer(types.int64),)
    compiled = njit(signature, **INNER)(call)
    made = compiled.overloads[signature].fndesc.llvm_func_name  # type: ignore[attr-defined]  # numba's own types leave it out
    return compiled.inspect_llvm(signature).replace(made, symbol)
