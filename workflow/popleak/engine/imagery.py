"""Where the compiled loops find a convolution net and a batch of images: `layout.Layout` for what follows the blocks, and more."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from .architecture import PATCH, POOL, ConvNet
from .layout import LANES, ROWS, Layout, _padded, _zeros

GROUP = 16
"""Images whose numbers at one pixel are neighbours in memory; batches are padded to a multiple of it."""
FEW = 4
"""Channels are padded to a multiple of it."""
TAPS = PATCH * PATCH

(
    CHANNELS, PADDED, HEIGHT, WIDTH, WEIGHTS, GIVEN, GIVEN_PLANE, GIVEN_ROW, GIVEN_GROUP, WHICH, WHICH_GROUP, SLOPES, SLOPES_PLANE,
    SLOPES_ROW, SUMS, TURNED,
) = range(16)  # fmt: skip
"""Columns of `Imagery.blocks`."""
BIASES, RAW, SIDEWAYS, OUT, NOTHING = range(5)
"""Places of `Imagery.rooms`: partial sums of the gradients of biases, 16 rows of the table, the same transposed, two rows of a
convolution, zeros."""


@dataclass(frozen=True)
class Imagery:
    """Where one convolution net and one batch lie in a flat array.

    Blocks of a 3 x 3 convolution with padding 1, ReLU and 2 x 2 max pooling, then a chain, whose layout is `head`. Weights come first:
    of each block [input channel, tap, channel] and then biases, channels padded to a multiple of FEW; then those of the chain.

    net: the convolution net; blocks (B + 1, 16): of each block and of what follows the
    last one its input channels, these padded, height and width, and offsets: weights, inputs of the first group (at pixel 0, 0;
    a border of zeros lies around each plane but the last's), numbers from one plane, row and group of these to the next, places of
    the largest of the first group, numbers to the next group's, derivatives, numbers from one plane and row of these to the next,
    partial sums of the gradients, weights turned for the way back; rooms (5,): offsets of room for `BIASES` and so on; weights: numbers of
    all weights, the first `own` of them the blocks'; gradients: the offset of room for the blocks' gradients.
    """

    net: ConvNet
    head: Layout
    own: int
    gradients: int
    size: int
    blocks: np.ndarray
    rooms: np.ndarray

    @classmethod
    @functools.lru_cache(maxsize=64)
    def of(cls, net: ConvNet, batch: int) -> Imagery:
        """Return the layout for a convolution net and batches of `batch` rows."""
        sizes = net.sizes
        groups = -(-batch // GROUP)
        given = [one[0] for one in sizes]
        # an image of one colour is no sum of padded channels
        padded = [given[0], *(_padded(one, FEW) for one in given[1:])]
        starts, at = [], 0
        for into, out in zip(given, padded[1:], strict=False):
            starts.append(at)
            at += (into * TAPS + 1) * out
        own = _padded(at, GROUP)
        head = Layout.of(net.sides, groups * GROUP, own)
        room = _Room(head.size)
        gradients = room.take(own)
        rows, last = [], len(net.channels)
        for i, (into, height, width) in enumerate(sizes):
            border = 0 if i == last else 1
            row = (width + 2 * border) * GROUP
            plane = (height + 2 * border) * row
            # the chain's rows are read in blocks of LANES, beyond the end of the last plane
            group = _padded(padded[i] * plane, LANES * GROUP)
            inputs = room.take(groups * group) + border * (row + GROUP)
            line = [into, padded[i], height, width, 0 if i == last else starts[i], inputs, plane, row, group]
            if i < last:
                out, pooled = padded[i + 1], (height // POOL) * (width // POOL) * GROUP
                # the first block is given images, whose derivatives nobody needs: two rows are enough
                lines = height + 2 if i else POOL
                which, slopes = room.take(groups * out * pooled), room.take(out * lines * row) + GROUP
                line += [which, out * pooled, slopes + (row if i else 0), lines * row, row]
                line += [room.take(into * TAPS * out * GROUP), room.take(given[i + 1] * TAPS * padded[i])]
            rows.append(line + [0] * (16 - len(line)))
        wide = _padded(math.prod(net.shape) + 1, ROWS)
        lengths = [GROUP * sum(padded[1:]), GROUP * wide, GROUP * wide]
        lengths += [
            max(out * POOL * width * GROUP for out, (_, _, width) in zip(padded[1:], sizes, strict=False)),
            max(padded),
        ]
        rooms = [room.take(length) for length in lengths]
        return cls(net, head, own, gradients, room.at, np.array(rows, np.int64), np.array(rooms, np.int64))

    @property
    def weights(self) -> int:
        """Numbers that the packed weights of one model take."""
        return self.own + self.head.weights

    def _layers(self, flat: np.ndarray, packed: np.ndarray):
        """Yield per block (weight (K, out, in, TAPS), bias (K, out)) as views of `flat` (K, P), and the same of `packed`."""
        at = 0
        for line, following in itertools.pairwise(self.blocks):
            into, out, padded, start = line[CHANNELS], following[CHANNELS], following[PADDED], line[WEIGHTS]
            end = start + into * TAPS * padded
            block = packed[:, start:end].reshape(-1, into, TAPS, padded)
            weight = flat[:, at : at + out * into * TAPS].reshape(-1, out, into, TAPS)
            at += out * into * TAPS
            yield (weight, flat[:, at : at + out]), (block[..., :out].transpose(0, 3, 1, 2), packed[:, end : end + out])
            at += out

    def _blocks(self) -> int:
        """Return the number of weights and biases of the blocks."""
        return sum(out * (into + 1) for into, out in self.net.layers[:-1])

    def parameters(self) -> int:
        """Return P, the number of weights and biases of one model."""
        return self._blocks() + self.head.parameters()

    def pack(self, flat: np.ndarray) -> np.ndarray:
        """Return weights (K, P), in the order of torch's parameters, in this layout: (K, `weights`)."""
        flat, cut = np.ascontiguousarray(flat), self._blocks()
        packed = np.zeros((len(flat), self.weights), flat.dtype)
        packed[:, self.own :] = self.head.pack(flat[:, cut:])
        for ours, theirs in self._layers(flat, packed):
            for source, target in zip(ours, theirs, strict=True):
                target[...] = source
        return packed

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """Return the weights (K, P) of `pack`."""
        flat, cut = np.empty((len(packed), self.parameters()), packed.dtype), self._blocks()
        flat[:, cut:] = self.head.unpack(packed[:, self.own :])
        for ours, theirs in self._layers(flat, packed):
            for target, source in zip(ours, theirs, strict=True):
                target[...] = source
        return flat

    def arena(self, dtype: np.dtype) -> np.ndarray:
        """Return the flat array (`size`,) of one thread, with the constant inputs set."""
        work = _zeros(self.size, dtype)
        self.head.fill(work)
        return work


class _Room:
    """Hands out parts of a flat array that begin on a cache line, from `at` on."""

    def __init__(self, at: int) -> None:
        self.at = _padded(at, GROUP)

    def take(self, count: int) -> int:
        """Return the offset of `count` numbers."""
        start, self.at = self.at, self.at + _padded(count, GROUP)
        return start
