"""Proxies: rank correlation over cells in blocks, and which rows of the tables it is made of."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import told
from popleak.measures import ranks
from popleak.store import schema
from popleak.tables import proxies

WORLDS = (("pure", 0.0, 1.0), ("ratio", 0.3, 0.5), ("equal", 0.5, 0.5))
DEFENCES = ("none", "fft", "scratch")


def tables(sign=1.0) -> dict[str, pd.DataFrame]:
    """Return made-up tables: in a cell of strength s gap, Delta_EO and all advantages grow with s (loss falls with it)."""
    models, bounds, leakage = [], [], []
    strengths = np.random.default_rng(0).permutation(np.linspace(0.05, 0.9, 18))
    for number, (task, worlds, defence) in enumerate(itertools.product("ab", WORLDS, DEFENCES)):
        strength = strengths[number]
        cell = {
            "task": task, "model": "mlp", **dict(zip(("protocol", "ratio_0", "ratio_1"), worlds, strict=True)),
            "poison": 0.0, "defence": defence,
        }  # fmt: skip
        for index in range(2):
            way = (-1) ** index
            models.append({**cell, "role": "victim", "status": "ok", "gap": way * strength, "delta_eo": strength / 2})
            bounds.append({**cell, "delta_eo": strength / 2, "w": 0.5})
        models.append({**cell, "role": "shadow", "status": "ok", "gap": 1 - strength, "delta_eo": 1 - strength})
        models.append({**cell, "role": "victim", "status": "diverged", "gap": np.nan, "delta_eo": np.nan})
        who = {"shadow_model": "mlp", "repeats": 1, "victims": 3, "diverged": 1}
        for knowledge in ("unaware", "informed") if defence != "none" else ("informed",):
            less = 0.5 if knowledge == "unaware" else 1.0
            leakage.append({**cell, **who, "adversary": "best", "knowledge": knowledge, "advantage": less * strength})
            leakage.append({**cell, **who, "adversary": "kl", "knowledge": knowledge, "advantage": less * strength})
        leakage.append({**cell, **who, "adversary": "loss", "knowledge": "any", "advantage": -sign * strength})
        for other in ({"shadow_model": "logistic"}, {"repeats": 5}):
            row = {**cell, **who, **other, "adversary": "best", "knowledge": "informed", "advantage": 1 - strength}
            leakage.append(row)
        # nothing is known of a defence whose models all diverged: no cell of advantage 0
        gone = {**cell, **who, "defence": "gone", "diverged": 3, "advantage": 0.0, "knowledge": "informed"}
        leakage += [{**gone, "adversary": name} for name in ("best", "kl")]
    return {"models": pd.DataFrame(models), "bounds": pd.DataFrame(bounds), "leakage": pd.DataFrame(leakage)}


def made(parts) -> pd.DataFrame:
    return (
        proxies.make(parts=[], tables=parts, settings=told.table("proxies")).to_pandas().set_index(["proxy", "scope"])
    )


def test_proxies_by_hand():
    table = made(tables())
    assert list(table.reset_index()) == [column.name for column in schema.PROXIES]
    assert set(table.index.get_level_values("scope")) == {"all", "a", "b"}
    assert (table.xs("all", level="scope")["cells"] == 12).all()
    assert (table.loc[[("kl", "a"), ("kl", "all")], "tasks"] == [1, 2]).all()
    for name in ("accuracy-gap", "delta-eo-w", "delta-eo"):
        assert table.loc[(name, "all"), "rank_correlation"] == pytest.approx(1.0)
        assert 0.0 < table.loc[(name, "all"), "low"] < table.loc[(name, "all"), "high"] == 1.0
    assert table.loc[("loss", "all"), "rank_correlation"] == pytest.approx(-1.0)
    assert 0.0 < table.loc[("kl", "all"), "rank_correlation"] < 1.0, "unaware shadows know less of defended models"
    assert "threshold" not in table.index.get_level_values("proxy")


def test_proxies_without_a_row():
    empty = {
        name: pd.DataFrame(columns=[column.name for column in schema.TABLES[name]])
        for name in ("models", "bounds", "leakage")
    }
    assert made(empty).empty


def test_spearman_agrees_with_scipy_and_bonett_wright():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 40))
    got = ranks.spearman(x, y, np.zeros(40))
    assert got.value == pytest.approx(stats.spearmanr(x, y).statistic)
    half = stats.norm.ppf(0.975) * np.sqrt((1 + got.value**2 / 2) / 37)
    np.testing.assert_allclose(got[1:3], np.tanh(np.arctanh(got.value) + np.array([-half, half])))


def test_blocks_widen_the_interval():
    rng = np.random.default_rng(2)
    blocks = np.repeat(np.arange(8), 10)
    x, y = rng.normal(size=(2, 80)) + rng.normal(size=(2, 8)).repeat(10, axis=1)
    one, several = ranks.spearman(x, y, np.zeros(80)), ranks.spearman(x, y, blocks)
    assert several.value == one.value
    assert several.high - several.low > one.high - one.low


def test_spearman_at_its_ends():
    ramp = np.arange(12.0)
    got = ranks.spearman(ramp, ramp, np.repeat(np.arange(3), 4))
    assert got.value == got.high == pytest.approx(1.0)
    assert 0.0 < got.low < 1.0
    assert np.isnan(ranks.spearman(ramp, np.zeros(12), ramp)).all()
    few = ranks.spearman(ramp[:3], ramp[:3], ramp[:3])
    assert few.value == pytest.approx(1.0) and np.isnan(few.low)
    bare = ranks.spearman(np.array([0.0, 0, 0, 1]), np.array([0.0, 0, 1, 1]), np.array([0, 0, 0, 1]))
    assert np.isfinite(bare.value) and np.isnan(bare.low), "without the second block x is constant"
    with pytest.raises(ValueError, match="finite"):
        ranks.spearman(ramp * np.nan, ramp, ramp)
