"""Many worlds: errors, accuracy, confusion, bits and Fano's ceiling, by hand and as properties; their tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, mutual_info_score

import told
from popleak.measures import intervals, ratios
from popleak.store import schema
from popleak.tables import confusion, regression

WORLDS = np.array([0.1, 0.3, 0.5])
CELL = {
    "task": "t", "model": "mlp", "ratios": "0.1 0.3 0.5", "poison": 0.0, "defence": "none", "adversary": "a",
    "access": "scores", "knowledge": "informed", "shadow_model": "mlp", "repeats": 1,
}  # fmt: skip


def victims(each=6, splits=3, noise=0.1, seed=0) -> pd.DataFrame:
    """Return estimates of `each` victims a split and ratio."""
    index = pd.MultiIndex.from_product(
        [range(splits), WORLDS, range(each)], names=["split", "ratio", "model_index"]
    ).to_frame(index=False)
    index["estimate"] = index["ratio"] + np.random.default_rng(seed).normal(0.0, noise, len(index))
    nearest = np.abs(index["estimate"].to_numpy()[:, None] - WORLDS).argmin(axis=1)
    return index.assign(named=WORLDS[nearest], **CELL)


def test_errors_by_hand():
    ratio, split = np.full(4, 0.5), np.array([0, 0, 1, 1])
    got = ratios.errors(np.array([0.6, 0.4, 0.7, 0.5]), ratio, split)
    assert got.mae.value == pytest.approx(0.1)
    assert got.mse.value == pytest.approx(0.015)
    assert got.bias.value == pytest.approx(0.05)
    np.testing.assert_allclose(got.bias[1:3], intervals.mean(np.array([0.1, -0.1, 0.2, 0.0]), split)[1:3])
    assert 0.0 < got.mse.low < got.mse.value < got.mse.high
    assert got.mse.value**2 == pytest.approx(got.mse.low * got.mse.high)


def test_each_ratio_weighs_the_same():
    ratio = np.array([0.1] * 6 + [0.5] * 2)
    got = ratios.errors(ratio + np.array([0.1] * 6 + [0.3] * 2), ratio, np.tile([0, 1], 4))
    assert got.mae.value == pytest.approx(0.2)
    named = ratios.accuracy(ratio * (ratio < 0.5), ratio, np.tile([0, 1], 4), chance=0.5)
    assert named.value == pytest.approx(0.5)


def test_fixed_differences_between_ratios_do_not_widen_an_interval():
    ratio, split = np.tile([0.0, 0.5, 1.0], 40), np.repeat(np.arange(5), 24)
    noise = np.random.default_rng(0).normal(0.0, 0.1, 120)
    plain, leaning = (ratios.errors(0.5 + k * (ratio - 0.5) + noise, ratio, split).bias for k in (1.0, 0.2))
    assert leaning.high - leaning.low == pytest.approx(plain.high - plain.low)
    single = ratios.errors(0.5 + noise, np.full(120, 0.5), split).bias
    assert leaning.high - leaning.low == pytest.approx(single.high - single.low, rel=0.05)
    right = np.where(ratio == 0.5, ratio, np.where(np.arange(120) % 20 == 0, -1.0, ratio))
    mixed = ratios.accuracy(np.where(ratio == 0.5, -1.0, right), ratio, split, chance=1 / 3)
    one = intervals.proportion(np.full(5, 24 * mixed.value), np.full(5, 24))
    assert mixed.high - mixed.low < 0.8 * (one.high - one.low)


def test_unequal_weights_leave_the_bias_its_p():
    rng = np.random.default_rng(1)
    ratio, split = np.array([0.1] * 60 + [0.5] * 20 + [0.9]), np.arange(81) % 5
    got = ratios.errors(ratio + rng.normal(0.05, 0.1, 81), ratio, split)
    assert (got.bias.p < 0.05) == (not got.bias.low <= 0.0 <= got.bias.high)
    exact = ratios.errors(ratio + 0.1 * (ratio - 0.5), ratio, split)
    assert exact.mae.low < exact.mae.value < exact.mae.high


def test_no_error_and_no_victim():
    got = ratios.errors(np.full(4, 0.5), np.full(4, 0.5), np.arange(4))
    assert got.mse[:3] == (0.0, 0.0, 0.0)
    assert ratios.n_leaked(0.5, got.mse).value == np.inf
    assert np.isnan(ratios.errors(np.zeros(0), np.zeros(0), np.zeros(0)).mae).all()
    assert np.isnan(ratios.accuracy(np.zeros(0), np.zeros(0), np.zeros(0), chance=0.5)).all()


def test_n_leaked_falls_with_the_error():
    got = ratios.n_leaked(0.5, intervals.Estimate(0.01, 0.005, 0.02, np.nan))
    np.testing.assert_allclose(got[:3], [25.0, 12.5, 50.0])
    assert np.isnan(ratios.n_leaked(0.0, intervals.Estimate(0.01, 0.005, 0.02, np.nan)).value)


def test_confusion_agrees_with_sklearn():
    frame = victims(noise=0.2)
    got = ratios.confusion(frame["named"].to_numpy(), frame["ratio"].to_numpy(), WORLDS)
    expected = confusion_matrix((frame["ratio"] * 10).round(), (frame["named"] * 10).round())
    assert np.array_equal(got, expected)
    with pytest.raises(ValueError, match="named"):
        ratios.confusion(np.array([0.2]), np.array([0.1]), WORLDS)


def test_mutual_information_agrees_with_sklearn():
    counts = np.array([[8, 2, 0], [1, 7, 2], [0, 4, 6]])
    true, named = np.repeat(np.repeat(range(3), 3), counts.ravel()), np.repeat(np.tile(range(3), 3), counts.ravel())
    assert ratios.mutual_information(counts / 10) == pytest.approx(mutual_info_score(true, named) / np.log(2))


def test_unit_jackknife_by_hand():
    counts = np.array([[3.0, 1.0], [1.0, 2.0]])
    rows, whole = counts.sum(axis=1), ratios.mutual_information(counts / counts.sum(axis=1)[:, None])
    bias = 0.0
    for i in range(2):
        without = []
        for j in range(2):
            fewer = counts.copy()
            fewer[i, j] -= 1
            value = ratios.mutual_information(fewer / fewer.sum(axis=1)[:, None])
            without += [value] * int(counts[i, j])
        bias += (rows[i] - 1) * (whole - np.mean(without))
    got = ratios.information(np.array([counts * 25]))  # not clipped here
    assert ratios._unbiased(counts) == pytest.approx(whole + bias)
    assert got.low < got.value < got.high


def test_information_at_its_ends():
    perfect = np.stack([10 * np.eye(4)] * 5)
    got = ratios.information(perfect)
    share = -np.log(0.05) / 200
    doubt = -share * np.log2(share) - (1 - share) * np.log2(1 - share) + share * np.log2(3)
    assert got[:3] == (2.0, pytest.approx(2.0 - doubt), 2.0)
    assert ratios.information(np.stack([10 * np.eye(4)[[0] * 4]] * 5))[:3] == (0.0, 0.0, pytest.approx(doubt))
    assert np.isnan(ratios.information(np.stack([np.eye(3)]))).all()
    few = ratios.information(np.stack([2 * np.eye(2), np.zeros((2, 2))]))
    assert few.value == 1.0 and np.isnan(few.low)
    blind = ratios.information(np.full((5, 3, 3), 20))
    assert blind.value == blind.low == 0.0
    rng = np.random.default_rng(0)
    for counts in rng.multinomial(40, np.full((3, 3), 1 / 3), size=(200, 5, 3)):
        assert ratios.information(counts).high > 0.0, "a value cut at 0 keeps half its width above"


@pytest.mark.parametrize("worlds", [2, 3, 11])
def test_fano_at_its_ends(worlds):
    assert ratios.fano_ceiling(0.0, worlds) == pytest.approx(1 / worlds)
    assert ratios.fano_ceiling(np.log2(worlds), worlds) == pytest.approx(1.0)
    assert np.isnan(ratios.fano_ceiling(np.nan, worlds))
    middle = ratios.fano_ceiling(np.log2(worlds) / 2, worlds)
    error = 1 - middle
    doubt = -error * np.log2(error) - middle * np.log2(middle) + error * np.log2(worlds - 1)
    assert doubt == pytest.approx(np.log2(worlds) / 2)
    for bits in (-0.1, np.log2(worlds) + 0.1):
        with pytest.raises(ValueError, match="bits"):
            ratios.fano_ceiling(bits, worlds)
    with pytest.raises(ValueError, match="two worlds"):
        ratios.fano_ceiling(0.0, 1)


@st.composite
def channels(draw):
    size = draw(st.integers(2, 11))
    cells = st.lists(st.integers(0, 50), min_size=size, max_size=size).filter(any)
    counts = np.array(draw(st.lists(cells, min_size=size, max_size=size)), dtype=float)
    return counts / counts.sum(axis=1, keepdims=True)


@settings(max_examples=300, deadline=None)
@given(channels())
def test_no_confusion_matrix_is_above_its_fano_ceiling(shares):
    bits = ratios.mutual_information(shares)
    assert -1e-12 <= bits <= np.log2(len(shares)) + 1e-12
    assert np.diag(shares).mean() <= ratios.fano_ceiling(bits, len(shares)) + 1e-7


@settings(max_examples=50, deadline=None)
@given(st.floats(0.0, 1.0), st.integers(2, 20))
def test_the_ceiling_is_reached_by_evenly_spread_errors(error, size):
    """Right with 1 - e and otherwise any other alike: Fano's inequality is then an equality, for e up to 1 - 1/k."""
    error *= 1 - 1 / size
    shares = np.full((size, size), error / (size - 1))
    np.fill_diagonal(shares, 1 - error)
    assert ratios.fano_ceiling(ratios.mutual_information(shares), size) == pytest.approx(1 - error, abs=1e-6)


def made(module, *frames):
    return module.make(
        parts=[], tables={"estimates": pd.concat(frames)}, settings=told.table(module.__name__.rpartition(".")[2])
    ).to_pandas()


def test_regression_table():
    frame = victims()
    other = victims(noise=0.01, seed=1).assign(adversary="b", poison=0.1)
    table = made(regression, frame, other)
    assert list(table) == [column.name for column in schema.REGRESSION]
    assert len(table) == 8
    one = table[(table["adversary"] == "a") & (table["ratio"] == 0.3)].iloc[0]
    part = frame[frame["ratio"] == 0.3]
    assert (one["victims"], one["splits"]) == (18, 3)
    assert one["mae"] == pytest.approx((part["estimate"] - 0.3).abs().mean())
    assert one["n_leaked"] == pytest.approx(0.21 / one["mse"])
    assert one["n_leaked_low"] == pytest.approx(0.21 / one["mse_high"])
    assert one["accuracy"] == pytest.approx((part["named"] == 0.3).mean())
    assert np.isnan(one["fano_ceiling"]) and np.isnan(one["mutual_information"])
    whole = table[table["ratio"].isna()].set_index("adversary")
    assert whole.loc["a", "mse"] == pytest.approx(table[table["adversary"] == "a"]["mse"].iloc[:3].mean())
    assert np.isnan(whole.loc["a", "n_leaked"])
    assert whole.loc["a", "accuracy"] <= whole.loc["a", "fano_ceiling"] < whole.loc["b", "fano_ceiling"] == 1.0
    assert whole.loc["b", "mutual_information"] == pytest.approx(np.log2(3))
    assert table["chance"].to_numpy() == pytest.approx(1 / 3)


def test_a_victim_without_an_estimate_counts_in_the_accuracy_alone():
    frame = victims(noise=0.01)
    frame.loc[0, ["estimate", "named"]] = [np.nan, 0.5]
    row = made(regression, frame).iloc[0]
    assert row["accuracy"] == pytest.approx(17 / 18)
    assert np.isfinite(row["mae"])
    assert made(confusion, frame)["victims"].sum() == len(frame)
    frame.loc[0, "named"] = np.nan
    assert made(regression, frame).iloc[0]["accuracy"] == pytest.approx(17 / 18)
    assert made(confusion, frame)["victims"].sum() == len(frame) - 1


def test_confusion_table():
    frame = victims(noise=0.2)
    table = made(confusion, frame, frame.assign(defence="fft"))
    assert list(table) == [column.name for column in schema.CONFUSION]
    assert len(table) == 18 and table["victims"].sum() == 2 * len(frame)
    assert table.groupby(["defence", "ratio"])["share"].sum().to_numpy() == pytest.approx(1.0)
    lacking = made(confusion, frame[frame["ratio"] > 0.2])
    assert lacking["share"].isna().sum() == 3


@pytest.mark.parametrize("module", [regression, confusion])
def test_tables_without_a_row(module):
    columns = [column.name for column in schema.ESTIMATES]
    assert len(made(module, pd.DataFrame(columns=columns))) == 0
