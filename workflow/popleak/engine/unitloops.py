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


@overload(exponential, jit_options=INNER, inline="never")  # type: ignore[arg-type]  # one plain dictionary serves njit too
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


@overload(tail, jit_options=INNER, inline="never")  # type: ignore[arg-type]
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
    form, closed, normed = facts[FORM], facts[CLOSED], facts[NORMED]
    gain, shift = hidden[layer - 1, GAIN], hidden[layer - 1, SHIFT]
    for r in range(rows):
        at = start + r * length
        # slices: of an index that might be negative numba asks each time, and then nothing is computed side by side
        z, slope = work[at : at + width], work[slopes + at : slopes + at + width]
        if normed:
            beside = facts[NORMAL] + at
            work[beside + shape[layer, 0] - 1] = _normalise(
                z, work[beside : beside + width], work[gain : gain + width], work[shift : shift + width]
            )
        if form == GELU:
            _gelu(z, slope)
        elif form == RECTIFIED:
            _relu(z, slope)
        else:
            _sigmoid(z, slope, settings[SCALE], settings[STEEPNESS], settings[OFFSET])
        if closed:
            _drop(z, slope, r * width, facts[SEED], facts[STEP], layer, closed, settings[KEPT])


@njit(**INNER)
def slant(work, shape, layer, count, units):
    """Turn derivatives with respect to the activations of hidden layer `layer` into those with respect to its sums, for `count` rows."""
    facts, hidden = units[0], units[2]
    width, length = hidden[layer - 1, WIDTH], shape[layer, LENGTH]
    start, slopes, normed = shape[layer, ACTIVATIONS], facts[SLOPES], facts[NORMED]
    gain, shift = hidden[layer - 1, GAIN], hidden[layer - 1, SHIFT]
    gains, shifts = facts[GRADIENTS] + gain, facts[GRADIENTS] + shift
    if normed:
        work[gains : gains + width] = 0
        work[shifts : shifts + width] = 0
    for r in range(count):
        at = start + r * length
        found = work[at : at + width]
        _times(found, work[slopes + at : slopes + at + width])
        if normed:
            beside = facts[NORMAL] + at
            _unnormalise(
                found, work[beside : beside + width], work[beside + shape[layer, 0] - 1], work[gain : gain + width],
                work[gains : gains + width], work[shifts : shifts + width],
            )  # fmt: skip


@njit(**INNER)
def _times(found, slope):
    for j in range(found.size):
        found[j] *= slope[j]


@njit(**INNER, fastmath=FAST)
def _normalise(z, normal, gain, shift):
    """Layer norm of a row z, whose normalised values go to `normal`; return 1 / sd."""
    total, count = z.dtype.type(0), z.dtype.type(z.size)
    for j in range(z.size):
        total += z[j]
    mean, spread = total / count, z.dtype.type(0)
    for j in range(z.size):
        spread += (z[j] - mean) * (z[j] - mean)
    inverse = z.dtype.type(1) / np.sqrt(spread / count + z.dtype.type(EPSILON))
    for j in range(z.size):
        value = (z[j] - mean) * inverse
        normal[j] = value
        z[j] = gain[j] * value + shift[j]
    return inverse


@njit(**INNER, fastmath=FAST)
def _unnormalise(found, normal, inverse, gain, gains, shifts):
    """Turn a row's derivatives with respect to what layer norm gave into those with respect to what it was given, and add those with
    respect to gains and shifts to `gains` and `shifts`."""
    total, product = found.dtype.type(0), found.dtype.type(0)
    for j in range(found.size):
        gains[j] += found[j] * normal[j]
        shifts[j] += found[j]
    for j in range(found.size):
        slope = found[j] * gain[j]
        total += slope
        product += slope * normal[j]
    count = found.dtype.type(found.size)
    total, product = total / count, product / count
    for j in range(found.size):
        found[j] = inverse * (found[j] * gain[j] - total - normal[j] * product)


@njit(**INNER)
def _relu(z, slope):
    one, nothing = z.dtype.type(1), z.dtype.type(0)
    for j in range(z.size):
        # NaN passes, so that a diverged model is noticed
        slope[j] = nothing if z[j] <= nothing else one
        z[j] = nothing if z[j] <= nothing else z[j]


@njit(**INNER)
def _sigmoid(z, slope, scale, steepness, offset):
    one = z.dtype.type(1)
    high, steep, down = z.dtype.type(scale), z.dtype.type(steepness), z.dtype.type(offset)
    steepest = z.dtype.type(scale * steepness)
    for j in range(z.size):
        share = one / (one + exponential(-steep * z[j]))
        slope[j] = steepest * share * (one - share)
        z[j] = high * share - down


@njit(**INNER)
def _gelu(z, slope):
    one, nothing, half = z.dtype.type(1), z.dtype.type(0), z.dtype.type(0.5)
    density = z.dtype.type(0.3989422804014327)
    for j in range(z.size):
        value = z[j]
        e = exponential(-half * value * value)
        beyond = tail(abs(value), e)
        below = beyond if value < nothing else one - beyond
        slope[j] = below + value * density * e
        z[j] = value * below


@njit(**INNER)
def _mixed(word):
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & WORD
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & WORD
    return word ^ (word >> 16)


@njit(**INNER)
def _drop(z, slope, first, seed, step, call, closed, kept):
    """Dropout with the draws of `noise.OwnDropout`. first: the number of the row's first element; call: of the dropout in the module."""
    low, high = seed & WORD, (seed >> 32) & WORD
    other, third = high + step * 0x85EBCA77, low + call * 0xC2B2AE3D
    nothing, factor = z.dtype.type(0), z.dtype.type(kept)
    for j in range(z.size):
        drawn = _mixed(((first + j) * 0x9E3779B1 + low) & WORD)
        drawn = _mixed((drawn + other) & WORD)
        drawn = _mixed((drawn + third) & WORD)
        times = nothing if drawn < closed else factor
        z[j] *= times
        slope[j] *= times
