"""The passes of a chain in the compiled loops: a batch forward and back, with Adam on the way back.

As `loops`, this module is imported only when machine code is compiled.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .layout import ACTIVATIONS, LANES, LENGTH
from .tile import INNER, MASK, PLAIN, RELU, copy, fetch, product, transpose
from .unitloops import FAST, activate, slant


@njit(**INNER)
def gather(work, shape, table, index, first, count, ahead):
    """Copy rows index[first : first + count] of the table into the arena, and prefetch the rows `ahead`, which come
    next."""
    length = shape[0, LENGTH]
    for r in range(count):
        copy(work, shape[0, ACTIVATIONS] + r * length, table, index[first + r] * length, length)
    for r in range(ahead.size):
        fetch(table, ahead[r] * length, length)


@njit(**INNER)
def forward(work, shape, rows, units):
    """Compute all activations and the logits of the rows that were gathered. units: as in `loops`, None for ReLU alone."""
    for layer in range(len(shape) - 1):
        inputs, outputs, weights = shape[layer, 0], shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        form = np.int64(RELU if units is None and layer + 2 < len(shape) else PLAIN)
        c, row_c = shape[layer + 1, ACTIVATIONS], shape[layer + 1, LENGTH]
        product(work, rows, outputs, inputs, a, row_a, np.int64(1), weights, outputs, c, row_c, form)
        if units is not None and layer + 2 < len(shape):
            activate(work, shape, layer + 1, rows, units)


@njit(**INNER)
def backward(
    work, shape, rows, count, outcomes, through, gradients, transposed, first, second, rate, root, decay, asked, units
):
    """Take one step of Adam along the gradients of sum(signal * logits), where the signals have replaced the logits.

    A layer is updated as soon as nothing else needs its weights: they and their gradients are still in the cache.
    outcomes: logits of a row; through: whether the derivatives with respect to the first layer's input replace it;
    gradients, transposed: offsets of buffers for one layer; first, second: the moments; rate, root, decay: see
    `adam`; asked, units: as in `loops`, None if there is nothing of the kind.
    """
    last = len(shape) - 2
    for layer in range(last, -1, -1):
        inputs, outputs, weights = shape[layer, 0], shape[layer, 1], shape[layer, 2]
        a, row_a = shape[layer, ACTIVATIONS], shape[layer, LENGTH]
        g, row_g = shape[layer + 1, ACTIVATIONS], shape[layer + 1, LENGTH]
        # the transpose of the activations is read in place: one step along the sum is one row
        product(work, row_a, outputs, count, a, np.int64(1), row_a, g, row_g, gradients, outputs, np.int64(PLAIN))
        if layer or through:
            depth = outcomes if layer == last else outputs  # the padded logits are no derivatives
            given = inputs - 1 if layer else row_a
            for j in range(0, outputs, LANES):
                for i in range(0, given, LANES):
                    transpose(work, transposed + j * given + i, given, weights + i * outputs + j, outputs)
            # the stored activation is positive exactly where the ReLU let the value through; it is not needed after
            form = np.int64(MASK if units is None else PLAIN)
            product(work, rows, given, depth, g, row_g, np.int64(1), transposed, given, a, row_a, form)
            if units is not None:
                slant(work, shape, layer, count, units)
        move(work, weights, gradients, row_a * outputs, first, second, rate, root, decay, asked)


@njit(**INNER)
def move(work, weights, gradients, count, first, second, rate, root, decay, asked):
    """Take a step with some of the weights, as many as `count`; weights, gradients: where both are."""
    end, shrink = weights + count, decay
    if asked is not None:
        adjust(work[weights:end], work[gradients : gradients + count], decay, asked[3][weights:end], asked[4])
        shrink = 0.0
    adam(
        work[weights:end],
        work[gradients : gradients + count],
        first[weights:end],
        second[weights:end],
        rate,
        root,
        shrink,
    )


@njit(**INNER, fastmath=FAST)
def adjust(weights, gradients, decay, moves, pull):
    """Add weight decay and the l1 penalty's subgradient, pull * sign(w), to the gradients of some weights, and make those 0 whose
    weight does not move."""
    nothing = weights.dtype.type(0)
    shrink, to_0 = weights.dtype.type(decay), weights.dtype.type(pull)
    for i in range(weights.size):
        weight = weights[i]
        up, down = to_0 if weight > nothing else nothing, to_0 if weight < nothing else nothing
        found = gradients[i] + shrink * weight + (up - down)
        gradients[i] = found if moves[i] != nothing else nothing


@njit(**INNER, fastmath=FAST)
def adam(weights, gradients, first, second, rate, root, decay):
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
def power(base, exponent):
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
