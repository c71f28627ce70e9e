"""The loop of `fused` for adversarial debiasing that numba compiles: as `engine.adversary`, for one model after another.

As `loops`, this module is imported only when machine code is compiled. With one logit a row's derivatives by any layer's outputs are those of
its logit, times the row's signal. So the way back is gone once, for the logits, and the two gradients, of the model's own loss and
of the adversary's, are two products a layer.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .layout import ACTIVATIONS, LENGTH, ROWS
from .passes import FAST, adam, adjust, forward, gather, power
from .privateloops import derivatives
from .tile import INNER, PLAIN, copy, product


@njit(**INNER)
def rival_epoch(
    work, shape, transposed, shift, scaled, kept, table, order, batch, aims, shares, places, labels, groups, moves, weights,
    first, second, steps, rate, decay, pull, numbers, own_first, own_second, own_rate, alpha, vacuous, signals, own,
):  # fmt: skip
    """Train every model of a block for one epoch; its state (weights, moments, adversary, vacuous) is updated.

    shift: from a layer's activations to its derivatives; scaled, kept: offsets of buffers, for a layer's derivatives and for
    two gradients of a model; aims, shares, places, moves, pull: as in `loops`; numbers (K, 5): the adversaries, own_first, own_second
    their moments, own_rate their step size; alpha: how far the model goes against them; signals (2, rows), own (5,): buffers.
    """
    size = weights.shape[1]
    for k in range(len(order)):
        copy(work, 0, weights[k], 0, size)
        for part in range((order.shape[1] + batch - 1) // batch):
            start, taken = part * batch, steps + part + 1
            count = min(batch, order.shape[1] - start)
            gather(work, shape, table, order[k], start, count, order[k, start + batch : start + 2 * batch])
            forward(work, shape, (count + ROWS - 1) // ROWS * ROWS, None)
            rows = order[k, start : start + count]
            both = _read(
                work, shape, shift, rows, aims[k], shares[k], places[k, start : start + count], labels, groups, numbers[k],
                signals, own,
            )  # fmt: skip
            derivatives(work, shape, (count + ROWS - 1) // ROWS * ROWS, transposed, shift)
            _gradient(work, shape, shift, scaled, count, signals[0], kept)
            scale, root = rate / (1 - power(0.9, taken)), (1 - power(0.999, taken)) ** 0.5
            if both:
                _gradient(work, shape, shift, scaled, count, signals[1], kept + size)
                _evade(work[kept : kept + size], work[kept + size : kept + 2 * size], moves, alpha)
            else:
                vacuous[k, 0] += 1
            adjust(work[:size], work[kept : kept + size], decay, moves, pull)
            adam(work[:size], work[kept : kept + size], first[k], second[k], scale, root, 0.0)
            adam(numbers[k], own, own_first[k], own_second[k], own_rate / (1 - power(0.9, taken)), root, 0.0)
        copy(weights[k], 0, work, 0, size)


@njit(**INNER)
def _read(work, shape, shift, rows, aims, shares, places, labels, groups, numbers, signals, own):
    """Store the derivatives by each row's logit of both losses in signals, and those of the adversary's by its numbers in own; return whether
    the rows are of both groups. Without that the adversary's are 0. Beside the logits 1 is stored, their derivative by themselves."""
    at, step, count = shape[-1, ACTIVATIONS], shape[-1, LENGTH], len(rows)
    one, share, ones = work.dtype.type(1), work.dtype.type(1) / work.dtype.type(len(rows)), 0
    own[:], signals[1] = 0, 0
    for r in range(count):
        place, row = at + r * step, places[r]
        p = one / (one + np.exp(-work[place]))
        signals[0, r] = (p - aims[row]) * shares[row] * share
        work[place + shift] = one
        ones += groups[rows[r]]
    if ones == 0 or ones == count:
        return False
    c, scale = numbers[0], 1 + abs(numbers[0])
    for r in range(count):
        logit, label = np.float64(work[at + r * step]), 2 if labels[rows[r]] == 1 else 3
        s = 1 / (1 + math.exp(-scale * logit))
        slope = numbers[1] + numbers[label]
        wrong = (1 / (1 + math.exp(-(slope * s + numbers[4]))) - groups[rows[r]]) / count
        inside = wrong * slope * s * (1 - s)
        signals[1, r] = inside * scale
        own[0] += inside * logit * np.sign(c)
        own[1] += wrong * s
        own[label] += wrong * s
        own[4] += wrong
    return True


@njit(**INNER)
def _gradient(work, shape, shift, scaled, count, signal, into):
    """Write the gradient of sum(signal * logits) by all weights to `into`."""
    for layer in range(len(shape) - 1):
        outputs, weights = shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        g, row_g = shape[layer + 1, ACTIVATIONS] + shift, shape[layer + 1, LENGTH]
        for r in range(count):
            for j in range(outputs):
                work[scaled + r * outputs + j] = work[g + r * row_g + j] * signal[r]
        product(
            work,
            row_a,
            outputs,
            count,
            a,
            np.int64(1),
            row_a,
            scaled,
            outputs,
            into + weights,
            outputs,
            np.int64(PLAIN),
        )


@njit(**INNER, fastmath=FAST)
def _evade(gradients, against, moves, alpha):
    """Take from a model's gradients their part along the adversary's, `against`, and alpha times the latter, over the numbers that move."""
    square, along, nothing = 0.0, 0.0, gradients.dtype.type(0)
    for i in range(gradients.size):
        one = np.float64(against[i] if moves[i] != nothing else nothing)
        square += one * one
        along += one * np.float64(gradients[i])
    if square == 0:
        return
    share = along / square + alpha
    for i in range(gradients.size):
        gradients[i] -= gradients.dtype.type(share * np.float64(against[i]))
