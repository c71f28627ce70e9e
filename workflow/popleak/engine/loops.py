"""The loops of `fused` that numba compiles: a step of one model on a flat array, and the loop over many models.

This module is imported only when machine code is compiled. `compiled` keeps that code, so most jobs load neither
numba nor this module. The compiled function takes one C pointer and needs neither Python nor numba at run time.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from .dense import GRADIENTS, OWN, SEED, STEP
from .fairloops import depend, depend_of_many, differ, differ_of_many
from .imageloops import learn, look
from .imagery import GROUP
from .layout import ACTIVATIONS, ARGUMENTS, HSIC, LENGTH, ROWS, Term
from .passes import adam, backward, forward, gather, move, power
from .privateloops import private_epoch
from .rivalloops import rival_epoch
from .tile import INNER, arguments, copy


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
def _softmax(work, at, step, count, main, index, labels, chances):
    """As `_cross_entropy`, for logits of more than two classes; the probabilities are kept in chances (rows, C)."""
    one = work.dtype.type(1)
    share, classes = one / work.dtype.type(main), chances.shape[1]
    for r in range(count):
        place = at + r * step
        top, total = work[place], work.dtype.type(0)
        for c in range(1, classes):
            top = max(top, work[place + c])
        for c in range(classes):
            chances[r, c] = np.exp(work[place + c] - top)
            total += chances[r, c]
        for c in range(classes):
            chances[r, c] /= total
            work[place + c] = chances[r, c] * share if r < main else work.dtype.type(0)
        if r < main:
            work[place + labels[index[r]]] -= share


@njit(**INNER)
def _towards(work, at, step, count, main, k, start, aims, shares, places):
    """As `_cross_entropy`, towards aims (K, n) in place of the labels, each row with its weight in shares (K, n)."""
    one = work.dtype.type(1)
    share = one / work.dtype.type(main)
    for r in range(count):
        place, found = at + r * step, work.dtype.type(0)
        p = one / (one + np.exp(-work[place]))
        if r < main:
            row = places[k, start + r]
            found = (p - aims[k, row]) * shares[k, row] * share
        work[place], work[place + 1] = found, p


@njit(**INNER)
def _objective(work, at, step, count, main, index, labels, cells, k, outcomes, start, fair, pictures, asked):
    """Turn the logits of a step into the derivatives of its objective: the cross-entropy of its `main` rows, and the EO term of model k.

    start: of the step, in the epoch's order; fair, pictures, asked: as in `_epoch`.
    """
    if asked is not None:
        _towards(work, at, step, count, main, k, start, asked[0], asked[1], asked[2])
    elif pictures is not None and outcomes > 1:
        _softmax(work, at, step, count, main, index, labels, pictures[4])
    else:
        _cross_entropy(work, at, step, count, main, index, labels)
    if fair is not None:
        term = Term(fair[0], fair[1], fair[2], fair[3], fair[4])
        begin, own, empty, sums, slopes = main if fair[5] else 0, fair[6][k], fair[7][k], fair[8], fair[9]
        if pictures is not None and outcomes > 1:
            if term.form == HSIC:
                depend_of_many(work, at, step, begin, count, index, cells, term, empty, sums, slopes, pictures[4])
            else:
                differ_of_many(work, at, step, begin, count, index, cells, term, own, empty, sums, slopes, pictures[4])
        elif term.form == HSIC:
            depend(work, at, step, begin, count, index, cells, term, empty, sums)
        else:
            differ(work, at, step, begin, count, index, cells, term, own, empty, sums, slopes)


@njit(**INNER)
def _epoch(
    work, shape, gradients, transposed, table, labels, cells, order, extra, batch, weights, first, second, steps, rate, decay,
    index, fair, pictures, asked, units,
):  # fmt: skip
    """Train every model of a block for one epoch; its state (weights, moments, multipliers, vacuous) is updated.

    index: buffer for the rows of a step; fair: of the EO term, the fields of a `Term`, whether it sees the extra rows
    alone, multipliers, vacuous and a buffer; pictures: of a convolution net, its `Imagery.blocks`, `rooms`, `gradients`
    and `own`, and a buffer for probabilities (rows, logits); asked: of an `Objective`, what each row is to be and its
    weight (K, n), the places of the epoch's rows among these (K, n), which numbers move (size,), 0 or 1, and the strength of the l1
    penalty; units: of hidden units that are more than ReLU, what `dense.DenseLayout.told` says. Each is None if there is no such thing, and is then not compiled at all.
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
            ahead = order[k, start + batch : start + 2 * batch]
            outcomes = 1
            if pictures is not None:
                rows, outcomes = (count + GROUP - 1) // GROUP * GROUP, pictures[4].shape[1]
                look(work, shape, pictures[0], pictures[1], table, index, np.int64(0), count, ahead)
            else:
                gather(work, shape, table, index, np.int64(0), count, ahead)
            if units is not None:
                units[0][SEED], units[0][STEP] = units[3][k], taken + 1
            forward(work, shape, rows, units)
            _objective(work, at, step, count, main, index, labels, cells, k, outcomes, start, fair, pictures, asked)
            if outcomes == 1:
                for r in range(count):
                    work[at + r * step + 1] = 0  # it was a padded logit's place
            taken += 1
            # the corrections of Adam's moments
            scale, root = rate / (1 - power(0.9, taken)), (1 - power(0.999, taken)) ** 0.5
            if pictures is not None:
                for r in range(count, rows):  # images that are not there
                    work[at + r * step : at + r * step + outcomes] = 0
            backward(
                work, shape, rows, count, outcomes, pictures is not None, gradients, transposed, first[k], second[k], scale, root,
                decay, asked, units,
            )  # fmt: skip
            if pictures is not None:
                slopes, own = pictures[2], pictures[3]
                learn(work, shape, pictures[0], pictures[1], rows // GROUP, slopes)
                adam(work[:own], work[slopes : slopes + own], first[k, :own], second[k, :own], scale, root, decay)
            if units is not None:
                own, slopes = units[0][OWN], units[0][GRADIENTS]
                move(work, np.int64(0), slopes, own, first[k], second[k], scale, root, decay, asked)
        copy(weights[k], 0, work, 0, size)


@njit(**INNER)
def _logits(work, shape, table, index, batch, weights, found, pictures, units):
    """Fill found (K, m * C) with the C logits of packed weights (K, size) on rows index (K or 1, m) of the table.

    pictures: of a convolution net, its `Imagery.blocks` and `rooms`, and C; else None, and C = 1; units: as in `_epoch`.
    """
    at, step = shape[-1, ACTIVATIONS], shape[-1, LENGTH]
    outcomes = 1
    if pictures is not None:
        outcomes = pictures[2]
    for k in range(len(weights)):
        copy(work, 0, weights[k], 0, weights.shape[1])
        rows = index[k if len(index) > 1 else 0]
        for part in range((len(rows) + batch - 1) // batch):
            start = part * batch
            count = min(batch, len(rows) - start)
            ahead = rows[start + batch : start + 2 * batch]
            if pictures is not None:
                look(work, shape, pictures[0], pictures[1], table, rows, start, count, ahead)
            else:
                gather(work, shape, table, rows, start, count, ahead)
            forward(work, shape, (count + ROWS - 1) // ROWS * ROWS, units)
            for r in range(count):
                for c in range(outcomes):
                    found[k, (start + r) * outcomes + c] = work[at + r * step + c]


# how the numbers and arrays that a loop is called with become its arguments; numba adds tuples, and knows no stars in them
@njit(**INNER)
def _score(given):
    return given + (None, None)  # noqa: RUF005


@njit(**INNER)
def _score_images(given):
    return given[:SCORE] + (given[SCORE:], None)  # noqa: RUF005


@njit(**INNER)
def _score_units(given):
    return given[:SCORE] + (None, given[SCORE:])  # noqa: RUF005


@njit(**INNER)
def _train(given):
    return given + (None, None, None, None)  # noqa: RUF005


@njit(**INNER)
def _train_fair(given):
    return given[:EPOCH] + (given[EPOCH:], None, None, None)  # noqa: RUF005


@njit(**INNER)
def _train_own(given):
    return given[:EPOCH] + (None, None, given[EPOCH:], None)  # noqa: RUF005


@njit(**INNER)
def _train_own_fair(given):
    return given[:EPOCH] + (given[EPOCH:FAIR], None, given[FAIR:], None)  # noqa: RUF005


@njit(**INNER)
def _as_given(given):
    return given


@njit(**INNER)
def _train_images(given):
    return given[:EPOCH] + (None, given[EPOCH:], None, None)  # noqa: RUF005


@njit(**INNER)
def _train_images_fair(given):
    return given[:EPOCH] + (given[EPOCH:FAIR], given[FAIR:], None, None)  # noqa: RUF005


@njit(**INNER)
def _train_units(given):
    return given[:EPOCH] + (None, None, None, given[EPOCH:])  # noqa: RUF005


@njit(**INNER)
def _train_units_fair(given):
    return given[:EPOCH] + (given[EPOCH:FAIR], None, None, given[FAIR:])  # noqa: RUF005


@njit(**INNER)
def _train_own_units(given):
    return given[:EPOCH] + (None, None, given[DRESSED:], given[EPOCH:DRESSED])  # noqa: RUF005


@njit(**INNER)
def _train_own_units_fair(given):
    return given[:EPOCH] + (given[EPOCH:FAIR], None, given[DRESSED_FAIR:], given[FAIR:DRESSED_FAIR])  # noqa: RUF005


EPOCH, FAIR, SCORE, DRESSED, DRESSED_FAIR = (
    len(ARGUMENTS[name]) for name in ("train", "train-fair", "score", "train-units", "train-units-fair")
)
LOOPS = {
    "score": (_logits, _score),
    "train": (_epoch, _train),
    "train-fair": (_epoch, _train_fair),
    "train-own": (_epoch, _train_own),
    "train-own-fair": (_epoch, _train_own_fair),
    "train-private": (private_epoch, _as_given),
    "train-rival": (rival_epoch, _as_given),
    "score-images": (_logits, _score_images),
    "train-images": (_epoch, _train_images),
    "train-images-fair": (_epoch, _train_images_fair),
    "score-units": (_logits, _score_units),
    "train-units": (_epoch, _train_units),
    "train-units-fair": (_epoch, _train_units_fair),
    "train-own-units": (_epoch, _train_own_units),
    "train-own-units-fair": (_epoch, _train_own_units_fair),
}
"""Functions by the name in `layout.ARGUMENTS`, which says what each is called with, and how that becomes its arguments."""


def llvm(name: str, number: str, symbol: str) -> str:
    """Return loop `name` for numbers of the dtype `number` as LLVM's optimised text, in which it is the function `symbol`.

    It takes numba's two pointers, to what is returned and to what is raised (neither is used), and one to its
    arguments as `compiled` lays them out; it returns 0. No loop may contain code that can raise: numba would store
    the exception as a pickle.
    """
    (loop, arranged), given = LOOPS[name], arguments(name, number)

    def call(block):
        loop(*arranged(given(block)))

    signature = (types.CPointer(types.int64),)
    compiled = njit(signature, **INNER)(call)
    made = compiled.overloads[signature].fndesc.llvm_func_name  # type: ignore[attr-defined]  # numba's own types leave it out
    return compiled.inspect_llvm(signature).replace(made, symbol)
