"""Hidden units of the compiled loops that are more than ReLU: layer norm, activation and dropout of a batch, forward and back.

The sum of a unit is replaced by its activation, and the slope of that, dropout included, is kept beside it: on the way back all
activations are alike. As `loops`, this module is imported only when machine code is compiled.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from .dense import (
    CLOSED,
    FORM,
    GAIN,
    GELU,
    GRADIENTS,
    KEPT,
    NORMAL,
    NORMED,
    OFFSET,
    RECTIFIED,
    SCALE,
    SEED,
    SHIFT,
    SLOPES,
    STEEPNESS,
    STEP,
    WIDTH,
)
from .layout import ACTIVATIONS, LENGTH
from .tile import INNER

FAST = {"contract", "reassoc", "nsz", "arcp"}
EPSILON = 1e-5
"""Added to the variance, as in torch."""
WORD = 0xFFFFFFFF


@intrinsic
def _power_of_2(typingctx, exponent):
    """Return 2 ** exponent of a whole float32 within its range of exponents; of NaN any number."""
    signature = types.float32(types.float32)

    def generate(context, builder, signature, args):
        word = ir.IntType(32)
        there = builder.fcmp_ordered("ord", args[0], args[0])
        known = builder.select(there, args[0], ir.Constant(ir.FloatType(), 0.0))
        bits = builder.shl(builder.add(builder.fptosi(known, word), ir.Constant(word, 127)), ir.Constant(word, 23))
        return builder.bitcast(bits, ir.FloatType())

    return signature, generate


def exponential(x):
    """Return e ** x; of float32 beyond +-87 that of the bound."""


def tail(z, e):
    """Return P(Z > z) of a standard normal Z, z being at least 0 and e = exp(-z * z / 2)."""


@overload(exponential, jit_options=INNER, inline="never")
def _exponential(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def single(x):
        # no call: so that a row's numbers are computed side by side. Cody and Waite's reduction, and a polynomial for the rest
        low, high = np.float32(-87.0), np.float32(87.0)
        x = low if x < low else (high if x > high else x)
        n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
        x = (x - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
        p = np.float32(1.0 / 5040)
        p = p * x + np.float32(1.0 / 720)
        p = p * x + np.float32(1.0 / 120)
        p = p * x + np.float32(1.0 / 24)
        p = p * x + np.float32(1.0 / 6)
        p = p * x + np.float32(0.5)
        p = p * x + np.float32(1.0)
        p = p * x + np.float32(1.0)
        return p * _power_of_2(n)

    return single


@overload(tail, jit_options=INNER, inline="never")
def _tail(z, e):
    if z != types.float32:
        return lambda z, e: 0.5 * math.erfc(z * 0.7071067811865476)

    def single(z, e):
        # Abramowitz and Stegun (1964) 7.1.26, within 1.5e-7
        t = np.float32(1.0) / (np.float32(1.0) + np.float32(0.3275911 * 0.7071067811865476) * z)
        p = np.float32(1.061405429)
        p = p * t + np.float32(-1.453152027)
        p = p * t + np.float32(1.421413741)
        p = p * t + np.float32(-0.284496736)
        p = p * t + np.float32(0.254829592)
        return np.float32(0.5) * p * t * e

    return single


@njit(**INNER)
def activate(work, shape, layer, rows, units):
    """Turn the sums of hidden layer `layer` (the first is 1) into its activations, for the rows of a batch."""
    facts, settings, hidden = units[0], units[1], units[2]
    width, length = hidden[layer - 1, WIDTH], shape[layer, LENGTH]
    start, slopes = shape[layer, ACTIVATIONS], facts[SLOPES]
    if facts[NORMED]:
        beside, gain, shift = facts[NORMAL], hidden[layer - 1, GAIN], hidden[layer - 1, SHIFT]
        for r in range(rows):
            _normalise(work, start + r * length, width, shape[layer, 0] - 1, beside, gain, shift)
    for r in range(rows):
        at = start + r * length
        if facts[FORM] == GELU:
            _gelu(work, at, width, slopes)
        elif facts[FORM] == RECTIFIED:
            _relu(work, at, width, slopes)
        else:
            _sigmoid(work, at, width, slopes, settings[SCALE], settings[STEEPNESS], settings[OFFSET])
        if facts[CLOSED]:
            _drop(work, at, width, slopes, r * width, facts[SEED], facts[STEP], layer, facts[CLOSED], settings[KEPT])


@njit(**INNER)
def slant(work, shape, layer, count, units):
    """Turn derivatives with respect to the activations of hidden layer `layer` into those with respect to its sums, for `count` rows."""
    facts, hidden = units[0], units[2]
    width, length = hidden[layer - 1, WIDTH], shape[layer, LENGTH]
    start, slopes = shape[layer, ACTIVATIONS], facts[SLOPES]
    for r in range(count):
        at = start + r * length
        for j in range(at, at + width):
            work[j] *= work[slopes + j]
    if facts[NORMED]:
        gain, shift = hidden[layer - 1, GAIN], hidden[layer - 1, SHIFT]
        into = facts[GRADIENTS]
        work[into + gain : into + gain + width] = 0
        work[into + shift : into + shift + width] = 0
        for r in range(count):
            _unnormalise(work, start + r * length, width, shape[layer, 0] - 1, facts[NORMAL], gain, shift, into)


@njit(**INNER, fastmath=FAST)
def _normalise(work, at, width, last, beside, gain, shift):
    """Layer norm of a row; last: place in a row where 1 / sd is kept."""
    one = work.dtype.type(1)
    total, count = work.dtype.type(0), work.dtype.type(width)
    for j in range(width):
        total += work[at + j]
    mean, spread = total / count, work.dtype.type(0)
    for j in range(width):
        spread += (work[at + j] - mean) * (work[at + j] - mean)
    inverse = one / np.sqrt(spread / count + work.dtype.type(EPSILON))
    work[beside + at + last] = inverse
    for j in range(width):
        value = (work[at + j] - mean) * inverse
        work[beside + at + j] = value
        work[at + j] = work[gain + j] * value + work[shift + j]


@njit(**INNER, fastmath=FAST)
def _unnormalise(work, at, width, last, beside, gain, shift, into):
    """Turn a row's derivatives with respect to what layer norm gave into those with respect to what it was given, and add up those with
    respect to gains and shifts at `into`."""
    count = work.dtype.type(width)
    total, product = work.dtype.type(0), work.dtype.type(0)
    for j in range(width):
        slope, value = work[at + j], work[beside + at + j]
        work[into + shift + j] += slope
        work[into + gain + j] += slope * value
        slope *= work[gain + j]
        work[at + j] = slope
        total += slope
        product += slope * value
    inverse, total, product = work[beside + at + last], total / count, product / count
    for j in range(width):
        work[at + j] = inverse * (work[at + j] - total - work[beside + at + j] * product)


@njit(**INNER)
def _relu(work, at, width, slopes):
    one, nothing = work.dtype.type(1), work.dtype.type(0)
    for j in range(at, at + width):
        # NaN passes, so that a diverged model is noticed
        closed = work[j] <= nothing
        work[slopes + j] = nothing if closed else one
        work[j] = nothing if closed else work[j]


@njit(**INNER)
def _sigmoid(work, at, width, slopes, scale, steepness, offset):
    one = work.dtype.type(1)
    high, steep, down = work.dtype.type(scale), work.dtype.type(steepness), work.dtype.type(offset)
    steepest = work.dtype.type(scale * steepness)
    for j in range(at, at + width):
        share = one / (one + exponential(-steep * work[j]))
        work[slopes + j] = steepest * share * (one - share)
        work[j] = high * share - down


@njit(**INNER)
def _gelu(work, at, width, slopes):
    one, nothing, half = work.dtype.type(1), work.dtype.type(0), work.dtype.type(0.5)
    density = work.dtype.type(0.3989422804014327)
    for j in range(at, at + width):
        z = work[j]
        e = exponential(-half * z * z)
        beyond = tail(abs(z), e)
        below = beyond if z < nothing else one - beyond
        work[slopes + j] = below + z * density * e
        work[j] = z * below


@njit(**INNER)
def _mixed(word):
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & WORD
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & WORD
    return word ^ (word >> 16)


@njit(**INNER)
def _drop(work, at, width, slopes, first, seed, step, call, closed, kept):
    """Dropout with the draws of `noise.OwnDropout`: first: the number of the row's first element, call: of the dropout in the module."""
    low, high = seed & WORD, (seed >> 32) & WORD
    other, third = high + step * 0x85EBCA77, low + call * 0xC2B2AE3D
    nothing, factor = work.dtype.type(0), work.dtype.type(kept)
    for j in range(width):
        drawn = _mixed(((first + j) * 0x9E3779B1 + low) & WORD)
        drawn = _mixed((drawn + other) & WORD)
        drawn = _mixed((drawn + third) & WORD)
        times = nothing if drawn < closed else factor
        work[at + j] *= times
        work[slopes + at + j] *= times
