"""The loop of `fused` for DP-SGD that numba compiles: each row's gradient is clipped, and noise added to their sum.

As `loops`, this module is imported only when machine code is compiled. A row's gradient of a layer is the outer product of
its inputs and of the derivatives by its outputs, so its norm needs no gradient of its own (Goodfellow 2015, arXiv:1510.01799),
and a gradient that is scaled down is one whose derivatives are. So the passes are the usual ones, but for the derivatives, which
do not replace the activations.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .layout import ACTIVATIONS, ALL, LANES, LENGTH, NONE, ROWS
from .passes import FAST, adam, adjust, forward, gather, power
from .tile import INNER, MASK, PLAIN, copy, product, transpose


@njit(**INNER)
def private_epoch(
    work, shape, gradients, transposed, shift, table, order, starts, aims, shares, places, moves, weights, first, second,
    steps, rate, decay, pull, clip, rows, parts, drawn, noise, sides, norms,
):  # fmt: skip
    """Take some steps of every model of a block; its state (weights, moments) is updated.

    shift: from a layer's activations to its derivatives; starts (K, steps + 1): where each batch begins in the order;
    moves, pull: as in `loops`; rows: what the sum over a batch is divided by, 0 for the rows of the batch; parts (L,): whether
    `NONE`, `ALL` or some of a layer's numbers move; drawn (K, steps, P): standard normal numbers, noise: their standard deviation, after which they
    are divided as the sum is; sides: sizes of the layers, without padding; norms: buffer (rows of a batch or more,).
    """
    at, step = shape[-1, ACTIVATIONS], shape[-1, LENGTH]
    for k in range(len(order)):
        copy(work, 0, weights[k], 0, weights.shape[1])
        for part in range(starts.shape[1] - 1):
            start, count = starts[k, part], starts[k, part + 1] - starts[k, part]
            padded = (count + ROWS - 1) // ROWS * ROWS
            share = 1.0 / (rows if rows else count)
            if count:
                end = starts[k, min(part + 2, starts.shape[1] - 1)]
                gather(work, shape, table, order[k], start, count, order[k, start + count : end])
                forward(work, shape, padded, None)
                _signals(work, at, step, shift, count, k, start, aims, shares, places)
                derivatives(work, shape, padded, transposed, shift)
                _squares(work, shape, shift, count, moves, parts, norms)
                _clip(work, shape, shift, count, clip, share, norms)
            taken = steps + part + 1
            scale, root = rate / (1 - power(0.9, taken)), (1 - power(0.999, taken)) ** 0.5
            _step(
                work, shape, shift, count, gradients, moves, first[k], second[k], scale, root, decay, pull,
                drawn[k, part], noise * share, sides,
            )  # fmt: skip
        copy(weights[k], 0, work, 0, weights.shape[1])


@njit(**INNER)
def _signals(work, at, step, shift, count, k, start, aims, shares, places):
    """Store d loss / d logit of each row beside the logits, before clipping and before the mean is taken."""
    one = work.dtype.type(1)
    for r in range(count):
        place, row = at + r * step, places[k, start + r]
        p = one / (one + np.exp(-work[place]))
        work[place + shift] = (p - aims[k, row]) * shares[k, row]


@njit(**INNER)
def derivatives(work, shape, rows, transposed, shift):
    """Compute the derivatives by each hidden layer's outputs, from the last back, `shift` beside its activations."""
    last = len(shape) - 2
    for layer in range(last, 0, -1):
        outputs, weights = shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        g, row_g = shape[layer + 1, ACTIVATIONS] + shift, shape[layer + 1, LENGTH]
        units = shape[layer, 0] - 1
        for j in range(0, outputs, LANES):
            for i in range(0, units, LANES):
                transpose(work, transposed + j * units + i, units, weights + i * outputs + j, outputs)
        # the product reads where the ReLU let the value through from what it replaces
        copy(work, a + shift, work, a, rows * row_a)
        depth = np.int64(1) if layer == last else outputs  # the padded logits are no derivatives
        product(work, rows, units, depth, g, row_g, np.int64(1), transposed, units, a + shift, row_a, np.int64(MASK))


@njit(**INNER, fastmath=FAST)
def _square(numbers):
    """Return the sum of the squares of some numbers."""
    total = numbers.dtype.type(0)
    for i in range(numbers.size):
        total += numbers[i] * numbers[i]
    return total


@njit(**INNER, fastmath=FAST)
def _marked(numbers, marks):
    """As `_square`, of those that are marked with 1 rather than 0."""
    total = numbers.dtype.type(0)
    for i in range(numbers.size):
        total += marks[i] * numbers[i] * numbers[i]
    return total


@njit(**INNER)
def _squares(work, shape, shift, count, moves, parts, norms):
    """Store the squared norm of each row's gradient, over the numbers that move, in norms."""
    for r in range(count):
        norms[r] = 0
    for layer in range(len(shape) - 1):
        if parts[layer] == NONE:
            continue
        inputs, outputs, weights = shape[layer, 0], shape[layer, 1], shape[layer, 2]
        wide = np.int64(1) if layer + 2 == len(shape) else outputs
        for r in range(count):
            a = shape[layer, ACTIVATIONS] + r * shape[layer, LENGTH]
            g = shape[layer + 1, ACTIVATIONS] + shift + r * shape[layer + 1, LENGTH]
            if parts[layer] == ALL:
                norms[r] += _square(work[a : a + inputs]) * _square(work[g : g + wide])
                continue
            for i in range(inputs):
                line = weights + i * outputs
                norms[r] += _marked(work[g : g + wide], moves[line : line + wide]) * work[a + i] * work[a + i]


@njit(**INNER)
def _clip(work, shape, shift, count, clip, share, norms):
    """Scale the derivatives of each row by min(1, clip / norm) and by `share`."""
    for r in range(count):
        norm, factor = np.sqrt(norms[r]), work.dtype.type(share)
        if norm > clip:
            factor = work.dtype.type(share * clip / norm)
        norms[r] = factor
    for layer in range(1, len(shape)):
        start, row = shape[layer, ACTIVATIONS] + shift, shape[layer, LENGTH]
        # of the padded logits nothing may stay behind when a model diverges
        wide = np.int64(1) if layer + 1 == len(shape) else shape[layer, 0] - 1
        for r in range(count):
            _scale(work[start + r * row : start + r * row + wide], norms[r])


@njit(**INNER)
def _scale(numbers, factor):
    for i in range(numbers.size):
        numbers[i] *= factor


@njit(**INNER)
def _add(gradients, outputs, bias, drawn, into, units, factor):
    """Add factor * drawn to a layer's gradients: drawn holds its weights (units, into) and biases (units,) as torch orders them;
    outputs: padded; bias: the input that is always 1."""
    for j in range(units):
        line = drawn[j * into : (j + 1) * into]
        for i in range(line.size):
            gradients[i * outputs + j] += gradients.dtype.type(factor * line[i])
        gradients[bias * outputs + j] += gradients.dtype.type(factor * drawn[units * into + j])


@njit(**INNER)
def _step(work, shape, shift, count, gradients, moves, first, second, scale, root, decay, pull, drawn, strength, sides):
    """Take one step of Adam along the gradients of the derivatives `shift` beside the activations, plus strength * drawn (P,)."""
    at = 0
    for layer in range(len(shape) - 1):
        outputs, weights = shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        g, row_g = shape[layer + 1, ACTIVATIONS] + shift, shape[layer + 1, LENGTH]
        end = weights + row_a * outputs
        found = work[gradients : gradients + end - weights]
        if count:
            product(work, row_a, outputs, count, a, np.int64(1), row_a, g, row_g, gradients, outputs, np.int64(PLAIN))
        else:
            found[:] = 0
        if strength > 0:
            into, units = sides[layer], sides[layer + 1]
            _add(found, outputs, shape[layer, 0] - 1, drawn[at : at + units * (into + 1)], into, units, strength)
            at += units * (into + 1)
        adjust(work[weights:end], found, decay, moves[weights:end], pull)
        adam(work[weights:end], found, first[weights:end], second[weights:end], scale, root, 0.0)
