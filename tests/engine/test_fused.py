"""The compiled way against the way through torch, its tiles against numpy, its start against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive, generator
from popleak.engine import fit as engine
from popleak.engine import tile
from popleak.engine.eo import Penalty
from popleak.engine.fit import Chain, Table, Training, fit, initial_weights, predict_rows, resolve, way_of
from popleak.engine.fused import Fused
from popleak.engine.layout import Layout, pack_table
from popleak.engine.stacked import Stacked

DATA = tiny.records()
FEATURES = DATA.x.shape[1]
# widths below, at and above the tiles' 8 and 16 columns; one to three hidden layers, and none
SIDES = [(FEATURES, 1), (FEATURES, 3, 1), (FEATURES, 8, 5, 1), (FEATURES, 17, 16, 1), (FEATURES, 40, 33, 24, 1)]
TRAINING = Training(epochs=3, batch=64, learning_rate=1e-3, weight_decay=0.01, validation=0.1)
PENALTIES = [
    None, Penalty(1.0), Penalty(2.0, "squared"), Penalty(0.5, "lagrangian", epsilon=0.01, dual_rate=0.3),
]  # fmt: skip


def population(models: int = 3, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    seeds = np.array([derive(5, "fused", k) for k in range(models)])
    return np.stack([generator(int(s), "rows").choice(len(DATA.y), rows, replace=False) for s in seeds]), seeds


def both(monkeypatch, sides, dtype, **more):
    """Return what both ways make of the same models."""
    rows, seeds = population()
    table = Table.of(DATA.x, DATA.y, DATA.a, dtype)
    if "extra" in more:
        more["extra"] = rows[:, : more["extra"]]
    fast = fit(Chain(sides), table, rows, seeds, TRAINING, **more)
    monkeypatch.setattr(engine, "way_of", lambda build, *_: Stacked(build))
    return fast, fit(Chain(sides), table, rows, seeds, TRAINING, **more)


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)], ids=["single", "double"])
def test_fused_equals_stacked(monkeypatch, sides, dtype, tolerance):
    fast, slow = both(monkeypatch, sides, dtype)
    assert fast.weights.dtype == slow.weights.dtype == dtype
    assert np.abs(fast.weights - slow.weights).max() < tolerance
    assert np.abs(fast.validation_loss - slow.validation_loss).max() < tolerance


@pytest.mark.parametrize("penalty", PENALTIES[1:], ids=lambda penalty: penalty.form)
@pytest.mark.parametrize("more", [{}, {"extra": 90}, {"extra": 40, "extra_only": True}], ids=str)
def test_fused_equals_stacked_under_a_penalty(monkeypatch, penalty, more):
    plain, _ = both(monkeypatch, SIDES[2], np.float64)
    monkeypatch.undo()
    fast, slow = both(monkeypatch, SIDES[2], np.float64, penalty=penalty, **more)
    assert np.abs(fast.weights - slow.weights).max() < 1e-12
    assert np.array_equal(fast.vacuous, slow.vacuous)
    assert np.abs(fast.weights - plain.weights).max() > 1e-5, "the penalty must do something"


def test_vacuous_terms_are_counted_alike(monkeypatch):
    rows, seeds = population()
    lonely = Table.of(DATA.x, DATA.y, np.where(DATA.y == 1, 0, DATA.a))  # no row with y = 1 and a = 1
    found = []
    for way in (way_of, lambda build, *_: Stacked(build)):
        monkeypatch.setattr(engine, "way_of", way)
        found.append(fit(Chain(SIDES[2]), lonely, rows, seeds, TRAINING, penalty=Penalty(1.0)))
    assert np.array_equal(found[0].vacuous, found[1].vacuous)
    assert (found[0].vacuous >= 0.5).all()


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_initial_weights_are_torchs(sides):
    seeds = np.array([0, 1, 2**31, 2**32 + 1, derive(1, "x")])
    build = Chain(sides)
    assert np.array_equal(way_of(build).initial(seeds), Stacked(build).initial(seeds))
    assert initial_weights(build, seeds, np.float64).dtype == np.float64


def test_a_chain_is_recognised_behind_a_plain_function():
    assert isinstance(way_of(lambda: Chain(SIDES[2])()), Fused)
    assert isinstance(way_of(lambda: torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Tanh())), Stacked)


def test_a_module_with_initial_weights_of_its_own_keeps_them():
    def build():
        module = Chain(SIDES[2])()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.01)
        return module

    way = way_of(build)
    assert isinstance(way, Fused)
    assert np.array_equal(way.initial(np.arange(3)), Stacked(build).initial(np.arange(3)))
    assert np.abs(way.initial(np.arange(3))).max() < 0.1


def test_what_the_loops_would_read_beyond_is_refused():
    rows, seeds = population()
    table = Table.of(DATA.x, DATA.y, DATA.a)
    for bad in (rows - 1000, rows + len(DATA.y)):
        with pytest.raises(ValueError, match="row ids must lie in 0 to"):
            fit(Chain(SIDES[2]), table, bad, seeds, TRAINING)
        with pytest.raises(ValueError, match="row ids must lie in 0 to"):
            predict_rows(Chain(SIDES[2]), initial_weights(Chain(SIDES[2]), seeds), table, bad)
        with pytest.raises(ValueError, match="row ids must lie in 0 to"):
            fit(Chain(SIDES[2]), table, rows, seeds, TRAINING, penalty=Penalty(1.0), extra=bad)
    for sides in ((FEATURES - 1, 4, 1), (FEATURES, 4, 2)):
        with pytest.raises(ValueError, match="cannot read"):
            fit(Chain(sides), table, rows, seeds, TRAINING)
    with pytest.raises(ValueError, match="weights of shape"):
        predict_rows(Chain(SIDES[2]), initial_weights(Chain(SIDES[1]), seeds), table, rows)
    with pytest.raises(ValueError, match="weights of shape"):
        fit(Chain(SIDES[2]), table, rows, seeds, TRAINING, start=initial_weights(Chain(SIDES[1]), seeds))
    three = Table.of(DATA.x, DATA.y, DATA.a * 2)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        fit(Chain(SIDES[2]), three, rows, seeds, TRAINING, penalty=Penalty(1.0))


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_shapes_that_do_not_fit_are_refused_by_both_backends_alike(backend):
    rows, seeds = population()
    table, build = Table.of(DATA.x, DATA.y, DATA.a), Chain(SIDES[2])
    begin = initial_weights(build, seeds)
    wide = np.pad(begin, ((0, 0), (0, 1)))
    for bad in (rows - 1000, rows + len(DATA.y)):
        with pytest.raises(ValueError, match="row ids must lie in 0 to"):
            fit(build, table, bad, seeds, TRAINING, backend=backend)
        with pytest.raises(ValueError, match="row ids must lie in 0 to"):
            predict_rows(build, begin, table, bad, backend=backend)
    for other in (wide, begin[:, 1:]):
        with pytest.raises(ValueError, match=r"weights of shape .*has [0-9]+$"):
            fit(build, table, rows, seeds, TRAINING, start=other, backend=backend)
        with pytest.raises(ValueError, match=r"weights of shape .*has [0-9]+$"):
            predict_rows(build, other, table, rows, backend=backend)
    with pytest.raises(ValueError, match="there is no model to train"):
        fit(build, table, rows[:0], seeds[:0], TRAINING, backend=backend)
    with pytest.raises(PopleakError, match=r"0\.9 of a model's 3 rows leaves none to train on"):
        fit(build, table, rows[:, :3], seeds, TRAINING.model_copy(update={"validation": 0.9}), backend=backend)
    assert predict_rows(build, begin[:0], table, rows[:1], backend=backend).shape == (0, rows.shape[1])


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_pack_and_unpack(sides):
    layout = Layout.of(sides, 10)
    flat = np.arange(2.0 * layout.parameters()).reshape(2, -1) + 1
    packed = layout.pack(flat)
    assert np.array_equal(layout.unpack(packed), flat)
    assert (packed != 0).sum() == flat.size, "all but the weights is 0"


@pytest.mark.parametrize("sides", SIDES[1:], ids=str)
def test_the_padding_stays_zero(monkeypatch, sides):
    kept = []
    unpack = Layout.unpack
    monkeypatch.setattr(Layout, "unpack", lambda self, packed: kept.append(packed) or unpack(self, packed))
    rows, seeds = population()
    fitted = fit(Chain(sides), Table.of(DATA.x, DATA.y, DATA.a), rows, seeds, TRAINING, penalty=Penalty(1.0))
    assert np.count_nonzero(kept[0]) == np.count_nonzero(fitted.weights)


@pytest.mark.parametrize("rows", [1, 7, 255, 256, 300, 513])
def test_scores_are_the_modules_for_any_number_of_points(rows):
    chain = Chain(SIDES[3])
    weights = initial_weights(chain, np.arange(3), np.float64)
    table = Table.of(DATA.x[:600], DATA.y[:600], DATA.a[:600], np.float64)
    chosen = np.stack([generator("points", k).choice(600, rows) for k in range(3)])
    for one in (chosen, chosen[:1]):
        found = predict_rows(chain, weights, table, one, threads=2)
        assert found.shape == (3, rows)
        slow = Stacked(chain).logits(table, weights, one)
        assert np.abs(found - 1 / (1 + np.exp(-slow))).max() < 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 6), st.integers(1, 40), st.sampled_from([0, 1, 2]), st.booleans(), st.booleans()
)
def test_tiles_equal_numpy(tall, wide, depth, form, transposed, double):
    rows, columns = tall * tile.ROWS, wide * tile.LANES
    rng = np.random.default_rng(rows * columns + depth)
    a, b, old = (rng.normal(size=shape) for shape in ((rows, depth), (depth, columns), (rows, columns)))
    if transposed:  # a is then read column by column
        a = np.ascontiguousarray(a.T).T
    work = np.concatenate([part.ravel(order="K") for part in (a, b, old)]).astype(float if double else np.float32)
    steps = (1, rows) if transposed else (depth, 1)
    places = [
        np.int64(value) for value in (rows, columns, depth, 0, *steps, a.size, columns, a.size + b.size, columns, form)
    ]
    _call(work, *places)
    expected = a @ b
    if form == tile.RELU:
        expected = np.maximum(expected, 0)
    if form == tile.MASK:
        expected = np.where(old > 0, expected, 0)
    found = work[a.size + b.size :].reshape(rows, columns)
    assert found == pytest.approx(expected, abs=1e-12 if double else 1e-4)


def _call(*arguments):
    """`tile.product` has no wrapper for Python: it is called from a compiled function."""
    global _outer
    if _outer is None:
        from numba import njit

        product = tile.product

        @njit
        def outer(work, a, b, c, d, e, f, g, h, i, j, k):
            product(work, a, b, c, d, e, f, g, h, i, j, k)

        _outer = outer
    _outer(*arguments)


_outer = None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transpose_of_a_block(dtype):
    work = np.arange(2000, dtype=dtype)
    before, size = work.copy(), tile.LANES
    transposed(work, 1000, 40, 7, 23)
    columns, lines = np.arange(size)[:, None], np.arange(size)
    to, source = 1000 + columns * 40 + lines, 7 + lines * 23 + columns
    assert np.array_equal(work[to], before[source])
    work[to] = before[to]
    assert np.array_equal(work, before), "nothing else is written"


def transposed(*arguments):
    global _around
    if _around is None:
        from numba import njit

        transpose = tile.transpose

        @njit
        def around(work, a, b, c, d):
            transpose(work, a, b, c, d)

        _around = around
    _around(*arguments)


_around = None


@pytest.mark.parametrize("features", [1, 15, 16, 105])
def test_arrays_of_the_loops_begin_on_a_cache_line(features):
    """A row of the table lies on no more lines than it fills, and its numbers are where the first layer looks."""
    x = np.random.default_rng(0).standard_normal((9, features)).astype(np.float32)
    packed, layout = pack_table(x), Layout.of((features, 5, 1), 9)
    assert packed.ctypes.data % tile.LINE == layout.arena(x.dtype).ctypes.data % tile.LINE == 0
    rows = packed.reshape(9, -1)
    assert np.array_equal(rows[:, : features + 1], np.column_stack([x, np.ones(9, np.float32)]))
    assert rows.shape[1] == layout.shape[0, -1] and not rows[:, features + 1 :].any()


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_change_no_bit(threads):
    rows, seeds = population(4)
    table = Table.of(DATA.x, DATA.y, DATA.a)
    one, more = (
        fit(Chain(SIDES[2]), table, rows, seeds, TRAINING, threads=t, penalty=Penalty(1.0)) for t in (1, threads)
    )
    for name in ("weights", "vacuous", "validation_loss"):
        assert np.array_equal(getattr(one, name), getattr(more, name))


def test_devices(monkeypatch):
    assert resolve("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve("auto") == "cpu"
    with pytest.raises(ValueError, match=r"^engine.device: cuda is asked for"):
        resolve("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve("cuda") == "cuda"


def test_the_way_of_a_gpu_agrees(monkeypatch):
    """On a GPU the same code runs with another device; here it is exercised on the CPU, where it must give the CPU's numbers."""
    monkeypatch.setattr(engine, "resolve", lambda device: "cuda" if device == "cuda" else "cpu")
    made = []
    monkeypatch.setattr("popleak.engine.stacked.Stacked.__init__", _on_cpu(made, Stacked.__init__))
    rows, seeds = population()
    table = Table.of(DATA.x, DATA.y, DATA.a)
    on_gpu = fit(Chain(SIDES[2]), table, rows, seeds, TRAINING, device="cuda")
    assert made == ["cuda"]
    assert np.abs(on_gpu.weights - fit(Chain(SIDES[2]), table, rows, seeds, TRAINING).weights).max() < 1e-5
    scored = [predict_rows(Chain(SIDES[2]), on_gpu.weights, table, rows, device=device) for device in ("cuda", "cpu")]
    assert np.abs(scored[0] - scored[1]).max() < 1e-5


def _on_cpu(made, begin):
    def start(self, build, device="cpu"):
        made.append(device) if not made else None
        begin(self, build, "cpu")

    return start


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("penalty", [None, Penalty(1.0)])
def test_a_gpu_agrees_with_the_cpu(penalty):
    rows, seeds = population(20)
    table = Table.of(DATA.x, DATA.y, DATA.a)
    found = [
        fit(Chain(SIDES[3]), table, rows, seeds, TRAINING, penalty=penalty, device=device) for device in ("cuda", "cpu")
    ]
    assert np.abs(found[0].weights - found[1].weights).max() < 1e-4


def test_stack_that_fits_into_a_gpus_memory(monkeypatch):
    way = Stacked(Chain(SIDES[2]))
    table = Table.of(DATA.x, DATA.y, DATA.a)
    assert way.stack(7, table, TRAINING, 100) == 1, "on a CPU a model's bits depend on no neighbour"
    way.device = torch.device("cuda")
    sizes = []
    for free in (2**20, 2**30, 2**34):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 2 * free))
        sizes.append(way.stack(7, table, TRAINING, 100))
    assert 1 <= sizes[0] < sizes[1] < sizes[2]
    assert way.stack(7, table, TRAINING, 10**6) < sizes[-1], "long orders leave room for fewer models"
