"""The blocks of convolution nets in compiled loops: from rows of the table to the rows that a chain is given, and back.

Batches are computed in groups of GROUP images, through all blocks, so that a group stays in the cache. Two rows of a convolution are
pooled as soon as they are there, and on the way back two rows of its derivatives are used as soon as they are unpooled.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .architecture import POOL
from .imagery import (
    BIASES,
    CHANNELS,
    GIVEN,
    GIVEN_GROUP,
    GIVEN_PLANE,
    GIVEN_ROW,
    GROUP,
    HEIGHT,
    NOTHING,
    OUT,
    PADDED,
    RAW,
    SIDEWAYS,
    SLOPES,
    SLOPES_PLANE,
    SLOPES_ROW,
    SUMS,
    TAPS,
    TURNED,
    WEIGHTS,
    WHICH,
    WHICH_GROUP,
    WIDTH,
)
from .layout import ACTIVATIONS, LANES, LENGTH, ROWS
from .patches import VECTOR, add_slopes, convolve, pool, unpool
from .tile import INNER, copy, fetch, transpose


@njit(**INNER)
def look(work, shape, blocks, rooms, table, index, first, count, ahead):
    """Gather images index[first : first + count] of the table and compute what the chain is given; ask for the rows `ahead`."""
    groups = (count + GROUP - 1) // GROUP
    length = (blocks[0, CHANNELS] * blocks[0, HEIGHT] * blocks[0, WIDTH] + ROWS) // ROWS * ROWS
    for group in range(groups):
        _gather(
            work, blocks, rooms, table, length, index, first + group * GROUP, min(GROUP, count - group * GROUP), group
        )
        for layer in range(len(blocks) - 1):
            _block(work, blocks, rooms, layer, group)
        _hand_over(work, shape, blocks, group)
    for r in range(ahead.size):
        fetch(table, ahead[r] * length, length)


@njit(**INNER)
def _gather(work, blocks, rooms, table, length, index, first, count, group):
    """Lay images side by side; the rest of a group that is not full is zeros."""
    raw, sideways = rooms[RAW], rooms[SIDEWAYS]
    for r in range(GROUP):
        if r < count:
            copy(work, raw + r * length, table, index[first + r] * length, length)
        else:
            work[raw + r * length : raw + (r + 1) * length] = 0
    for k in range(0, length, LANES):
        for r in range(0, GROUP, LANES):
            transpose(work, sideways + k * GROUP + r, np.int64(GROUP), raw + r * length + k, length)
    given, row = blocks[0, GIVEN] + group * blocks[0, GIVEN_GROUP], blocks[0, GIVEN_ROW]
    line = blocks[0, WIDTH] * GROUP
    for c in range(blocks[0, CHANNELS]):
        for y in range(blocks[0, HEIGHT]):
            copy(
                work,
                given + c * blocks[0, GIVEN_PLANE] + y * row,
                work,
                sideways + (c * blocks[0, HEIGHT] + y) * line,
                line,
            )


@njit(**INNER)
def _block(work, blocks, rooms, layer, group):
    """Compute a block: convolution, ReLU, pooling. Rows and columns that pooling leaves out are not computed."""
    depth, channels = blocks[layer, CHANNELS], blocks[layer + 1, PADDED]
    high, wide = blocks[layer, HEIGHT] // POOL, blocks[layer, WIDTH] // POOL
    weights, row = blocks[layer, WEIGHTS], blocks[layer, GIVEN_ROW]
    given = blocks[layer, GIVEN] + group * blocks[layer, GIVEN_GROUP] - row - GROUP
    line, out = POOL * wide * GROUP, rooms[OUT]
    into = blocks[layer + 1, GIVEN] + group * blocks[layer + 1, GIVEN_GROUP]
    which = blocks[layer, WHICH] + group * blocks[layer, WHICH_GROUP]
    for y in range(high):
        for half in range(POOL):
            convolve(
                work, channels, line, depth, weights, channels, given + (POOL * y + half) * row, blocks[layer, GIVEN_PLANE], row,
                out + half * line, POOL * line, weights + depth * TAPS * channels,
            )  # fmt: skip
        for m in range(channels):
            pool(
                work, out + m * POOL * line, line, into + m * blocks[layer + 1, GIVEN_PLANE] + y * blocks[layer + 1, GIVEN_ROW],
                which + (m * high + y) * wide * GROUP, wide,
            )  # fmt: skip


@njit(**INNER)
def _hand_over(work, shape, blocks, group):
    """Copy what comes out of the last block to the rows of the chain."""
    features, length = shape[0, 0] - 1, shape[0, LENGTH]
    source = blocks[-1, GIVEN] + group * blocks[-1, GIVEN_GROUP]
    rows = shape[0, ACTIVATIONS] + group * GROUP * length
    for k in range(0, features, LANES):
        for r in range(0, GROUP, LANES):
            transpose(work, rows + r * length + k, length, source + k * GROUP + r, np.int64(GROUP))
    for r in range(GROUP):
        work[rows + r * length + features] = 1
        for k in range(features + 1, length):
            work[rows + r * length + k] = 0


@njit(**INNER)
def learn(work, shape, blocks, rooms, groups, gradients):
    """Write the gradients of the blocks' weights to `gradients`; the derivatives by what the chain was given have replaced it."""
    _begin(work, blocks, rooms)
    for group in range(groups):
        _take_back(work, shape, blocks, group)
        for layer in range(len(blocks) - 2, -1, -1):
            _block_back(work, blocks, rooms, layer, group)
    room = rooms[BIASES]
    for layer in range(len(blocks) - 1):
        channels, start = blocks[layer + 1, PADDED], gradients + blocks[layer, WEIGHTS]
        count = blocks[layer, CHANNELS] * TAPS * channels
        _add_up(work, start, blocks[layer, SUMS], count, VECTOR)
        _add_up(work, start + count, room, channels, GROUP)
        room += channels * GROUP


@njit(**INNER, fastmath={"contract", "reassoc", "nsz"})
def _add_up(work, into, source, count, parts):
    """Add up the partial sums of `count` gradients."""
    for i in range(count):
        total = work[source + i * parts]
        for j in range(1, parts):
            total += work[source + i * parts + j]
        work[into + i] = total


@njit(**INNER)
def _begin(work, blocks, rooms):
    """Set the sums to 0, and turn the weights for the way back: by input channel instead of output channel, taps in reverse."""
    room = rooms[BIASES]
    for layer in range(len(blocks) - 1):
        depth, channels = blocks[layer, CHANNELS], blocks[layer + 1, PADDED]
        work[blocks[layer, SUMS] : blocks[layer, SUMS] + depth * TAPS * channels * VECTOR] = 0
        work[room : room + channels * GROUP] = 0
        room += channels * GROUP
        if layer:
            weights, turned, padded = blocks[layer, WEIGHTS], blocks[layer, TURNED], blocks[layer, PADDED]
            for k in range(depth):
                for tap in range(TAPS):
                    source, into = weights + (k * TAPS + tap) * channels, turned + (TAPS - 1 - tap) * padded + k
                    for m in range(blocks[layer + 1, CHANNELS]):
                        work[into + m * TAPS * padded] = work[source + m]


@njit(**INNER)
def _take_back(work, shape, blocks, group):
    """As `_hand_over`, from the chain to the last block."""
    features, length = shape[0, 0] - 1, shape[0, LENGTH]
    into = blocks[-1, GIVEN] + group * blocks[-1, GIVEN_GROUP]
    rows = shape[0, ACTIVATIONS] + group * GROUP * length
    for k in range(0, features, LANES):
        for r in range(0, GROUP, LANES):
            transpose(work, into + k * GROUP + r, np.int64(GROUP), rows + r * length + k, length)


@njit(**INNER)
def _block_back(work, blocks, rooms, layer, group):
    """Add a group to the sums of a block's gradients; replace what the block was given by the derivatives by it."""
    depth, channels = blocks[layer, CHANNELS], blocks[layer + 1, PADDED]
    high, wide = blocks[layer, HEIGHT] // POOL, blocks[layer, WIDTH] // POOL
    plane, row = blocks[layer, GIVEN_PLANE], blocks[layer, GIVEN_ROW]
    given = blocks[layer, GIVEN] + group * blocks[layer, GIVEN_GROUP]
    slopes, slopes_plane, slopes_row = blocks[layer, SLOPES], blocks[layer, SLOPES_PLANE], blocks[layer, SLOPES_ROW]
    source = blocks[layer + 1, GIVEN] + group * blocks[layer + 1, GIVEN_GROUP]
    which = blocks[layer, WHICH] + group * blocks[layer, WHICH_GROUP]
    biases = rooms[BIASES]
    for before in range(layer):
        biases += blocks[before + 1, PADDED] * GROUP
    for y in range(high):
        here = slopes + (POOL * y * slopes_row if layer else 0)
        for m in range(channels):
            unpool(
                work, source + m * blocks[layer + 1, GIVEN_PLANE] + y * blocks[layer + 1, GIVEN_ROW],
                which + (m * high + y) * wide * GROUP, here + m * slopes_plane, slopes_row, wide, biases + m * GROUP,
            )  # fmt: skip
        add_slopes(
            work, channels, depth, np.int64(POOL), POOL * wide * GROUP, here, slopes_plane, slopes_row,
            given + (POOL * y - 1) * row - GROUP, plane, row, blocks[layer, SUMS],
        )  # fmt: skip
    if layer:
        for y in range(blocks[layer, HEIGHT]):
            convolve(
                work, blocks[layer, PADDED], blocks[layer, WIDTH] * GROUP, blocks[layer + 1, CHANNELS], blocks[layer, TURNED],
                blocks[layer, PADDED], slopes + (y - 1) * slopes_row - GROUP, slopes_plane, slopes_row, given + y * row, plane,
                rooms[NOTHING],
            )  # fmt: skip
