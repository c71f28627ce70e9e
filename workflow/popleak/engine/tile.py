"""Small matrix products for compiled loops: register tiles written in LLVM's vector types, through numba.

Library products (BLAS) cost microseconds a call and are tuned for hundreds of rows and columns; the layers here are 8
to 100 wide. A tile keeps 8 rows of the result in vector registers over the whole sum, so each number is written once.
Every element is summed over k in the same order in any tile, so the choice of tile changes no bit.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from .layout import ARGUMENTS, LANES, LINE, ROWS

# only the outermost loops are called, and from C: wrappers for the others would be compiled for nothing, and no loop makes an
# array or counts who holds one
INNER: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}

MIDDLE, WIDE = (16, 32) if llvmlite.binding.get_host_cpu_features().get("avx512f") else (LANES, LANES)
"""Columns of the wider tiles: 32 vector registers of 512 bits hold 8 x 32 sums and what they are made from, 16 of 256 bits
only 8 x 8. The wider the tile, the fewer loads for each multiplication."""

PLAIN, RELU, MASK = 0, 1, 2
"""Forms of a product, by what is done to a sum before it is stored. PLAIN: nothing; RELU: max(0, sum); MASK: the sum
if the old value is positive, else 0."""


def _tile(lanes: int):
    """Return a compiled function that computes one tile of c = a b: ROWS x `lanes`."""

    @intrinsic
    def tile(typingctx, work, a, row_a, step_a, b, row_b, c, row_c, depth, form):
        signature = types.void(work, *[types.intp] * 9)

        def generate(context, builder, signature, args):
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            a, row_a, step_a, b, row_b, c, row_c, depth, form = args[1:]
            number = context.get_data_type(signature.args[0].dtype)
            align = context.get_abi_sizeof(number)
            vector, index = ir.VectorType(number, lanes), ir.IntType(64)
            zero = ir.Constant(vector, [0.0] * lanes)
            spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

            def at(offset, kind=None):
                place = builder.gep(data, [offset])
                return builder.load(builder.bitcast(place, kind.as_pointer()) if kind else place, align=align)

            def broadcast(value):
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), spread)

            before = builder.block
            starts = [builder.add(a, builder.mul(row_a, ir.Constant(index, m))) for m in range(ROWS)]
            loop, after = builder.append_basic_block("depth"), builder.append_basic_block("store")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(index)
            k.add_incoming(ir.Constant(index, 0), before)
            sums = [builder.phi(vector) for _ in range(ROWS)]
            line = at(builder.add(b, builder.mul(k, row_b)), vector)
            shift = builder.mul(k, step_a)
            for start, total in zip(starts, sums, strict=True):
                product = builder.fmul(broadcast(at(builder.add(start, shift))), line, flags=("contract",))
                total.add_incoming(zero, before)
                total.add_incoming(builder.fadd(product, total, flags=("contract",)), loop)
            following = builder.add(k, ir.Constant(index, 1))
            k.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)

            builder.position_at_end(after)
            results = [total.incomings[1][0] for total in sums]
            relu = builder.icmp_signed("==", form, ir.Constant(index, RELU))
            mask = builder.icmp_signed("==", form, ir.Constant(index, MASK))
            for m, result in enumerate(results):
                offset = builder.add(c, builder.mul(row_c, ir.Constant(index, m)))
                # both comparisons let NaN through, so that a diverged model is noticed
                negative = builder.fcmp_ordered("<", result, zero)
                result = builder.select(builder.select(relu, negative, _false(lanes)), zero, result)
                closed = builder.fcmp_ordered("<=", at(offset, vector), zero)
                result = builder.select(builder.select(mask, closed, _false(lanes)), zero, result)
                place = builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())
                builder.store(result, place, align=align)
            return context.get_dummy_value()

        return signature, generate

    return tile


def _false(lanes: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(1), lanes), [0] * lanes)


_narrow, _middle, _wide = _tile(LANES), _tile(MIDDLE), _tile(WIDE)


@njit(**INNER)
def product(work, rows, columns, depth, a, row_a, step_a, b, row_b, c, row_c, form):
    """Store the product c = a b, all three in the flat array `work` and given by their offsets.

    a[m, k] = work[a + m * row_a + k * step_a], b[k, n] = work[b + k * row_b + n], c[m, n] = work[c + m * row_c + n]
    for m < rows (a multiple of ROWS), n < columns (of LANES), k < depth (at least 1). form: PLAIN, RELU or MASK.
    """
    n = 0
    while n + WIDE <= columns:
        for m in range(0, rows, ROWS):
            _wide(work, a + m * row_a, row_a, step_a, b + n, row_b, c + m * row_c + n, row_c, depth, form)
        n += WIDE
    while n + MIDDLE <= columns:
        for m in range(0, rows, ROWS):
            _middle(work, a + m * row_a, row_a, step_a, b + n, row_b, c + m * row_c + n, row_c, depth, form)
        n += MIDDLE
    while n < columns:
        for m in range(0, rows, ROWS):
            _narrow(work, a + m * row_a, row_a, step_a, b + n, row_b, c + m * row_c + n, row_c, depth, form)
        n += LANES


@intrinsic
def copy(typingctx, into, at, source, start, count):
    """Copy `count` numbers of the flat array `source` from `start` on into the flat array `into` from `at` on."""
    signature = types.void(into, types.intp, source, types.intp, types.intp)

    def generate(context, builder, signature, args):
        def place(i):
            return builder.gep(context.make_array(signature.args[i])(context, builder, args[i]).data, [args[i + 1]])

        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        cgutils.raw_memcpy(builder, place(0), place(2), args[4], size)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def transpose(typingctx, work, into, row_into, source, row_source):
    """Store the transpose of a block of LANES x LANES numbers of the flat array `work` at another place in it.

    work[into + j * row_into + i] = work[source + i * row_source + j] for i, j < LANES.
    """
    signature = types.void(work, *[types.intp] * 4)

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        into, row_into, source, row_source = args[1:]
        number = context.get_data_type(signature.args[0].dtype)
        align = context.get_abi_sizeof(number)
        vector, index = ir.VectorType(number, LANES), ir.IntType(64)

        def place(offset, row, i):
            start = builder.add(offset, builder.mul(row, ir.Constant(index, i)))
            return builder.bitcast(builder.gep(data, [start]), vector.as_pointer())

        lines = [builder.load(place(source, row_source, i), align=align) for i in range(LANES)]
        # halves of lines change places, then quarters of halves, and so on
        half = LANES // 2
        while half:
            upper = _choice(j if not j & half else LANES + j - half for j in range(LANES))
            lower = _choice(j + half if not j & half else LANES + j for j in range(LANES))
            for i in range(LANES):
                if not i & half:
                    pair = lines[i], lines[i | half]
                    lines[i], lines[i | half] = (builder.shuffle_vector(*pair, which) for which in (upper, lower))
            half //= 2
        for i, line in enumerate(lines):
            builder.store(line, place(into, row_into, i), align=align)
        return context.get_dummy_value()

    return signature, generate


def _choice(lanes) -> ir.Constant:
    lanes = list(lanes)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)


@intrinsic
def fetch(typingctx, source, start, count):
    """Prefetch `count` numbers of the flat array `source` from `start` on into the cache, without waiting."""
    signature = types.void(source, types.intp, types.intp)

    def generate(context, builder, signature, args):
        data, (start, count) = context.make_array(signature.args[0])(context, builder, args[0]).data, args[1:]
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        byte, word, index = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)
        ask = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        )
        with cgutils.for_range_slice(builder, index(0), count, index(LINE // size), index) as (i, _):
            place = builder.bitcast(builder.gep(data, [builder.add(start, i)]), byte)
            # to read; into the second level of the cache, for the first is full of the batch at work; data
            builder.call(ask, [place, word(0), word(2), word(1)])
        return context.get_dummy_value()

    return signature, generate


def arguments(name: str, number: str):
    """Return an intrinsic that reads the arguments of loop `name` through a pointer to int64, as a tuple.

    A number takes one word. An array takes its address and then the length of each axis, as listed in
    `layout.ARGUMENTS`.
    """
    kinds = {"n": getattr(types, number), "i": types.int64, "d": types.float64}
    wanted = [types.Array(kinds[kind], axes, "C") if axes else kinds[kind] for kind, axes in ARGUMENTS[name]]

    @intrinsic
    def given(typingctx, block):
        signature = types.Tuple(wanted)(block)

        def generate(context, builder, signature, args):
            index = ir.IntType(64)
            at = iter(range(sum(1 + getattr(one, "ndim", 0) for one in wanted)))

            def word(kind):
                place = builder.gep(args[0], [ir.Constant(index, next(at))])
                return builder.load(builder.bitcast(place, kind.as_pointer()))

            found = []
            for one in wanted:
                if not isinstance(one, types.Array):
                    found.append(word(context.get_data_type(one)))
                    continue
                kind = context.get_data_type(one.dtype)
                data, lengths = word(kind.as_pointer()), [word(index) for _ in range(one.ndim)]
                size = ir.Constant(index, context.get_abi_sizeof(kind))
                strides = [size]
                for length in lengths[:0:-1]:
                    strides.insert(0, builder.mul(strides[0], length))
                array = context.make_array(one)(context, builder)
                populate_array(array, data, lengths, strides, size, meminfo=None)
                found.append(array._getvalue())
            return context.make_tuple(builder, signature.return_type, found)

        return signature, generate

    return given
