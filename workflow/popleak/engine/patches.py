"""Convolutions of 3 x 3 and pooling of 2 x 2 for compiled loops: register tiles over images that lie side by side.

The numbers of GROUP images at one pixel are neighbours in memory. So whatever a pixel is multiplied with, it is a whole
vector, a patch needs no copy (the nine taps are offsets), and a border of zeros around each plane stands for the padding.
"""

from __future__ import annotations

import itertools

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .architecture import PATCH, POOL
from .imagery import FEW, GROUP, TAPS
from .layout import ROWS
from .tile import INNER, MIDDLE, WIDE

VECTOR = MIDDLE
"""Partial sums of a gradient."""


class _Code:
    """Writes the code of an intrinsic: vectors of `lanes` numbers in the flat array that is its first argument."""

    def __init__(self, context, builder, signature, args, lanes: int) -> None:
        self.context, self.builder, self.index = context, builder, ir.IntType(64)
        self.data = context.make_array(signature.args[0])(context, builder, args[0]).data
        self.number = context.get_data_type(signature.args[0].dtype)
        self.align = context.get_abi_sizeof(self.number)
        self.vector, self.lanes = ir.VectorType(self.number, lanes), lanes

    def constant(self, value: float) -> ir.Constant:
        return ir.Constant(self.vector, [float(value)] * self.lanes)

    def along(self, offset, count: int, step=None):
        """Return offset + count * step."""
        if count == 0:
            return offset
        far = ir.Constant(self.index, count)
        return self.builder.add(offset, far if step is None else self.builder.mul(step, far))

    def load(self, offset):
        place = self.builder.bitcast(self.builder.gep(self.data, [offset]), self.vector.as_pointer())
        return self.builder.load(place, align=self.align)

    def store(self, value, offset) -> None:
        place = self.builder.bitcast(self.builder.gep(self.data, [offset]), self.vector.as_pointer())
        self.builder.store(value, place, align=self.align)

    def spread(self, offset):
        """Return a vector that holds one number in all lanes."""
        one = self.builder.load(self.builder.gep(self.data, [offset]), align=self.align)
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(nothing, one, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(
            first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        )

    def add_product(self, total, a, b):
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(product, total, flags=("contract",))

    def loop(self, count, carried, body):
        """Run body(i, values) -> values for i < count (at least 1), from the values `carried`; return the last ones."""
        before, inside = self.builder.block, self.builder.append_basic_block("loop")
        self.builder.branch(inside)
        self.builder.position_at_end(inside)
        i = self.builder.phi(self.index)
        i.add_incoming(ir.Constant(self.index, 0), before)
        values = [self.builder.phi(one.type) for one in carried]
        for value, one in zip(values, carried, strict=True):
            value.add_incoming(one, before)
        made = body(i, values)
        following, end = self.builder.add(i, ir.Constant(self.index, 1)), self.builder.block
        after = self.builder.append_basic_block("after")
        i.add_incoming(following, end)
        for value, one in zip(values, made, strict=True):
            value.add_incoming(one, end)
        self.builder.cbranch(self.builder.icmp_signed("<", following, count), inside, after)
        self.builder.position_at_end(after)
        return made


def _convolution(rows: int, lanes: int):
    """Return a compiled function that computes a tile of a convolution: `rows` channels at `lanes` neighbouring numbers."""

    @intrinsic
    def tile(typingctx, work, a, row_a, b, plane_b, row_b, c, plane_c, depth, bias):
        signature = types.void(work, *[types.intp] * 9)

        def generate(context, builder, signature, args):
            code = _Code(context, builder, signature, args, lanes)
            a, row_a, b, plane_b, row_b, c, plane_c, depth, bias = args[1:]

            def channel(i, sums):
                start, weights = (
                    builder.add(b, builder.mul(i, plane_b)),
                    builder.mul(builder.mul(i, row_a), code.index(TAPS)),
                )
                weights = builder.add(a, weights)
                for tap, (dy, dx) in enumerate(itertools.product(range(PATCH), repeat=2)):
                    line = code.load(code.along(code.along(start, dy, row_b), dx * GROUP))
                    own = code.along(weights, tap, row_a)
                    sums = [
                        code.add_product(total, code.spread(code.along(own, m)), line) for m, total in enumerate(sums)
                    ]
                return sums

            begin = [code.spread(code.along(bias, m)) for m in range(rows)]
            for m, total in enumerate(code.loop(depth, begin, channel)):
                code.store(total, code.along(c, m, plane_c))
            return context.get_dummy_value()

        return signature, generate

    return tile


_many_wide, _many_middle = _convolution(ROWS, WIDE), _convolution(ROWS, MIDDLE)
_few_wide, _few_middle = _convolution(FEW, WIDE), _convolution(FEW, MIDDLE)


@njit(**INNER)
def convolve(work, channels, columns, depth, a, row_a, b, plane_b, row_b, c, plane_c, bias):
    """Store one row of a convolution, all in the flat array `work` and given by their offsets.

    c[m, n] = bias[m] + sum over k, dy, dx of a[k, dy, dx, m] b[k, n + dx * GROUP, dy], for m < channels (a multiple of FEW), n < columns
    (of GROUP) and k < depth, where a[k, dy, dx, m] = work[a + (k * TAPS + dy * 3 + dx) * row_a + m],
    b[k, n, dy] = work[b + k * plane_b + dy * row_b + n] and c[m, n] = work[c + m * plane_c + n].
    """
    n = 0
    while n + WIDE <= columns:
        m = 0
        while m + ROWS <= channels:
            _many_wide(work, a + m, row_a, b + n, plane_b, row_b, c + m * plane_c + n, plane_c, depth, bias + m)
            m += ROWS
        while m < channels:
            _few_wide(work, a + m, row_a, b + n, plane_b, row_b, c + m * plane_c + n, plane_c, depth, bias + m)
            m += FEW
        n += WIDE
    while n < columns:
        m = 0
        while m + ROWS <= channels:
            _many_middle(work, a + m, row_a, b + n, plane_b, row_b, c + m * plane_c + n, plane_c, depth, bias + m)
            m += ROWS
        while m < channels:
            _few_middle(work, a + m, row_a, b + n, plane_b, row_b, c + m * plane_c + n, plane_c, depth, bias + m)
            m += FEW
        n += MIDDLE


def _slopes(rows: int):
    """Return a compiled function that adds to the gradients of `rows` channels' weights at the three taps of a patch's row."""

    @intrinsic
    def tile(typingctx, work, g, plane_g, row_g, x, row_x, lines, steps, into, row_into):
        signature = types.void(work, *[types.intp] * 9)

        def generate(context, builder, signature, args):
            code = _Code(context, builder, signature, args, VECTOR)
            g, plane_g, row_g, x, row_x, lines, steps, into, row_into = args[1:]
            places = [
                code.along(code.along(into, dx, row_into), m * VECTOR) for dx in range(PATCH) for m in range(rows)
            ]

            def line(y, sums):
                signal, image = builder.add(g, builder.mul(y, row_g)), builder.add(x, builder.mul(y, row_x))

                def step(i, sums):
                    shift = builder.mul(i, code.index(VECTOR))
                    near, given = builder.add(signal, shift), builder.add(image, shift)
                    taps = [code.load(code.along(given, dx * GROUP)) for dx in range(PATCH)]
                    sums = list(sums)
                    for m in range(rows):
                        slope = code.load(code.along(near, m, plane_g))
                        for dx in range(PATCH):
                            sums[dx * rows + m] = code.add_product(sums[dx * rows + m], slope, taps[dx])
                    return sums

                return code.loop(steps, sums, step)

            for total, place in zip(
                code.loop(lines, [code.load(place) for place in places], line), places, strict=True
            ):
                code.store(total, place)
            return context.get_dummy_value()

        return signature, generate

    return tile


_many_slopes, _few_slopes = _slopes(ROWS), _slopes(FEW)


@njit(**INNER)
def add_slopes(work, channels, depth, lines, columns, g, plane_g, row_g, x, plane_x, row_x, into):
    """Add the gradients of a convolution's weights over some of its rows.

    g[m, y, n] = work[g + m * plane_g + y * row_g + n] are the derivatives by what it puts out, for m < channels (a multiple of FEW),
    y < lines, n < columns (of GROUP); x[k, y, n] = work[x + k * plane_x + y * row_x + n] what it was given, k < depth. The gradient of
    weight (k, dy, dx, m) is VECTOR partial sums, from work[into + ((k * TAPS + dy * 3 + dx) * channels + m) * VECTOR] on.
    """
    for k in range(depth):
        for dy in range(PATCH):
            source, place = x + k * plane_x + dy * row_x, into + (k * TAPS + dy * PATCH) * channels * VECTOR
            m = 0
            while VECTOR == GROUP and m + ROWS <= channels:
                _many_slopes(
                    work, g + m * plane_g, plane_g, row_g, source, row_x, lines, columns // VECTOR, place + m * VECTOR,
                    channels * VECTOR,
                )  # fmt: skip
                m += ROWS
            while m < channels:
                _few_slopes(
                    work, g + m * plane_g, plane_g, row_g, source, row_x, lines, columns // VECTOR, place + m * VECTOR,
                    channels * VECTOR,
                )  # fmt: skip
                m += FEW


@intrinsic
def pool(typingctx, work, source, row, into, place, count):
    """Store max(0, the largest of each 2 x 2 numbers) of two rows, and which of the four it was.

    The rows begin at `source` and `source + row`; results go to `into`, and to `place` 0 to 3 in reading order, or -1 where none is above 0.
    count: pixels of a row of the result, at least 1.
    """
    signature = types.void(work, *[types.intp] * 5)

    def generate(context, builder, signature, args):
        code = _Code(context, builder, signature, args, GROUP)
        source, row, into, place, count = args[1:]

        def pixel(i, _):
            start, shift = builder.mul(i, code.index(POOL * GROUP)), builder.mul(i, code.index(GROUP))
            start = builder.add(source, start)
            best, which = code.load(start), code.constant(0)
            for q in range(1, POOL * POOL):
                other = code.load(code.along(code.along(start, q >> 1, row), (q & 1) * GROUP))
                # not-a-number is taken, and kept, as torch does: a diverged model is to be seen
                taken = builder.or_(builder.fcmp_ordered(">", other, best), builder.fcmp_unordered("uno", other, other))
                best, which = builder.select(taken, other, best), builder.select(taken, code.constant(q), which)
            closed = builder.fcmp_ordered("<=", best, code.constant(0))
            code.store(builder.select(closed, code.constant(0), best), builder.add(into, shift))
            code.store(builder.select(closed, code.constant(-1), which), builder.add(place, shift))
            return []

        code.loop(count, [], pixel)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def unpool(typingctx, work, source, place, into, row, count, total):
    """Store the derivatives by the two rows that `pool` was given, from those by its result at `source`; add their sum at `total`.

    place, count: as `pool` had them; into, row: where the rows go; total: GROUP partial sums.
    """
    signature = types.void(work, *[types.intp] * 6)

    def generate(context, builder, signature, args):
        code = _Code(context, builder, signature, args, GROUP)
        source, place, into, row, count, total = args[1:]

        def pixel(i, sums):
            start, shift = builder.mul(i, code.index(POOL * GROUP)), builder.mul(i, code.index(GROUP))
            start = builder.add(into, start)
            slope, which = code.load(builder.add(source, shift)), code.load(builder.add(place, shift))
            for q in range(POOL * POOL):
                here = builder.fcmp_ordered("==", which, code.constant(q))
                own = builder.select(here, slope, code.constant(0))
                code.store(own, code.along(code.along(start, q >> 1, row), (q & 1) * GROUP))
            there = builder.fcmp_ordered(">=", which, code.constant(0))
            return [builder.fadd(sums[0], builder.select(there, slope, code.constant(0)))]

        code.store(code.loop(count, [code.load(total)], pixel)[0], total)
        return context.get_dummy_value()

    return signature, generate
