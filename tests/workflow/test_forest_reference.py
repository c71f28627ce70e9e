"""The generator `tabular-diffusion` beside ForestDiffusion: how rows are judged, tiny fits of both, and the recorded comparison."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import forest_reference as benchmark
import tiny
from forest_reference import FOREST, OURS, Rows
from popleak.core.columns import Columns
from popleak.core.errors import PopleakError
from preprocessing_leak import Table

COLUMNS = Columns((0, 1), ((2,), (3, 4, 5)))
TINY = {"n_t": 3, "duplicate_K": 2, "n_estimators": 3, "max_depth": 3}


@pytest.fixture(scope="module")
def table() -> Table:
    """Two numbers, a category of two levels that goes with the group, one of three, and a label that goes with the first number."""
    rng, n = np.random.default_rng(3), 4000
    a = (rng.random(n) < 0.5).astype(np.int8)
    numbers = rng.normal(size=(n, 2)) + a[:, None]
    codes = np.stack([rng.random(n) < 0.2 + 0.6 * a, rng.integers(0, 3, n)], axis=1)
    y = (numbers[:, 0] + rng.normal(size=n) > 0.5).astype(np.int8)
    return Table(COLUMNS.expand(np.concatenate([numbers, codes], axis=1)), y, a, COLUMNS)


def test_rows_have_the_share_and_are_apart(table):
    named = table._replace(x=np.arange(len(table.y), dtype=float)[:, None])
    own, tested = benchmark.drawn(named, 0.3, (400, 200), 5)
    assert (len(own.y), own.a.sum(), len(tested.y), tested.a.sum()) == (400, 120, 200, 60)
    assert not np.intersect1d(own.x, tested.x).size
    assert not np.array_equal(own.x, benchmark.drawn(named, 0.3, (400, 200), 6)[0].x)
    with pytest.raises(PopleakError, match="choose fewer rows"):
        benchmark.drawn(named, 0.9, (2000, 1000), 5)


def test_marginals_are_compared_column_by_column():
    rows = np.zeros((100, 4))
    rows[:, 0], rows[:, 1] = np.arange(100), np.where(np.arange(100) < 10, 5.0, 0.0)
    rows[:, 3] = np.arange(100) % 2
    made = rows.copy()
    made[:, 0] += 3
    made[:30, 2] = 1  # 0.3 of the first category
    made[rows[:, 3] == 1, 3] = 2  # half of the second
    true, made = COLUMNS.expand(rows), COLUMNS.expand(made)
    assert benchmark.variation(COLUMNS, true, made) == pytest.approx((0.3 + 0.5) / 2)
    assert benchmark.quantiles(COLUMNS, true, made) == pytest.approx(3 / 49.5 / 2)
    # nine of ten rows are equal, so the unit of this number is its standard deviation
    other = true.copy()
    other[:, 1] += 3
    assert benchmark.quantiles(COLUMNS, true, other) == pytest.approx(3 / rows[:, 1].std() / 2)
    assert benchmark.variation(COLUMNS, true, true) == benchmark.quantiles(COLUMNS, true, true) == 0


def test_a_classifier_is_tested_on_other_rows(table):
    own, tested = benchmark.drawn(table, 0.5, (1000, 1000), 1)
    assert benchmark.accuracy(own, tested) > 0.65
    assert benchmark.accuracy(Rows(own.x, 1 - own.y, own.a), tested) < 0.35
    assert benchmark.accuracy(Rows(own.x, own.y * 0, own.a), tested) == pytest.approx(1 - tested.y.mean())


def _held(table: Table, found: tuple[Rows, benchmark.Cost], own: Rows, tested: Rows) -> dict[str, float]:
    """Hold what is asked of each family, and return how its rows were judged."""
    made, cost = found
    assert made.x.shape == (500, 6) and np.isin(made.a, (0, 1)).all() and np.isin(made.y, (0, 1)).all()
    assert np.array_equal(COLUMNS.expand(COLUMNS.compact(made.x)), made.x), "a row has one level a category"
    assert cost.same_from_bytes and cost.fit_seconds > 0 and cost.sampling_seconds > 0 and cost.bytes > 0
    told = benchmark.judged(table.columns, own, tested, made)
    assert told["share_error"] == abs(told["share"] - 0.2)
    return told


def test_ours_in_small(table):
    own, tested = benchmark.drawn(table, 0.2, (400, 200), 2)
    found = benchmark.ours(table.columns, own, 500, 7, epochs=30)
    told = _held(table, found, own, tested)
    assert told["share_error"] < 0.12 and told["quantiles"] < 0.5
    assert not found[1].global_state and found[1].rows_held == 0
    assert found[1].bytes == benchmark.ours(table.columns, tested, 5, 8, epochs=1)[1].bytes


@pytest.mark.skipif(find_spec("ForestDiffusion") is None, reason="needs ForestDiffusion")
def test_theirs_in_small(table):
    found = []
    for ratio in (0.2, 0.8):
        own, tested = benchmark.drawn(table, ratio, (400, 200), 2)
        found.append(benchmark.theirs(sys.executable, table.columns, own, 500, 7, TINY))
    made, cost = found[0]
    own, tested = benchmark.drawn(table, 0.2, (400, 200), 2)
    _held(table, found[0], own, tested)
    assert found[1][0].a.mean() > made.a.mean() + 0.2
    assert cost.rows_held == 400 and cost.global_state and cost.trees == 3 * 2 * 3 * 7
    assert cost.bytes != found[1][1].bytes


def records(**more: object) -> pd.DataFrame:
    """Return records of two families, made up: ours exact and of one size, theirs off by 0.1 and growing."""
    rows = []
    for i, ratio in enumerate(benchmark.RATIOS):
        for family, off, settings in ((OURS, 0.0, "default"), (FOREST, 0.1, "small")):
            rows.append(
                {
                    "table": "one", "ratio": ratio, "family": family, "settings": settings, "rows": 100, "features": 51, "released": 2000,
                    "share": ratio + off, "share_error": off, "total_variation": off, "quantiles": off, "accuracy_own": 0.8,
                    "accuracy_released": 0.8 - off, "fit_seconds": 10 * (1 + 60 * off), "sampling_seconds": 1.0,
                    "bytes": 1e6 * (1 + 10 * off * (i + 1)), "compressed": 1e5, "trees": 1000, "rows_held": 100 * (off > 0),
                    "same_from_bytes": True, "global_state": off > 0, "versions": "",
                }
            )  # fmt: skip
    return pd.DataFrame(rows).assign(**more)


def test_the_verdict_follows_the_records():
    found = benchmark.summary(records()).set_index("family")
    assert found["order"].to_numpy() == pytest.approx([1, 1])
    assert found.loc[FOREST, "share_error"] == pytest.approx(0.1)
    # sqrt(2 / pi) standard deviations of a share among 2,000
    assert found["chance"].to_numpy() == pytest.approx(np.sqrt(2 / np.pi / 2000) * (0.3 * 2 + 0.21**0.5 * 2 + 0.5) / 5)
    told = benchmark.block(records())
    assert "differ by up to 200 %" in told and "6 times as large as ours, and its fit takes 7 times" in told
    assert (
        told.endswith("cannot be a model plugin here.")
        and "same rows bit for bit" in told
        and "copy of all its rows" in told
        and "510,000 trees" in told
    )
    fit = {"bytes": 5, "rows_held": 0, "global_state": False, "settings": "default"}
    other = benchmark.block(records(**fit))
    assert not any(word in other for word in ("fixed length", "copy of", "global state", "CPU hours", "cannot be"))
    other = benchmark.block(records(**fit, same_from_bytes=False))
    assert "draw other rows in 5 of 5 fits" in other and other.endswith("cannot be a model plugin here.")


def test_fits_that_are_lacking_are_named():
    planned = [
        {"table": task.name, "family": family, "settings": name, "ratio": ratio}
        for task in benchmark.TASKS
        for family, named in ((OURS, {"default": benchmark.RATIOS}), (FOREST, task.settings))
        for name, ratios in named.items()
        for ratio in ratios
    ]
    every = pd.DataFrame(planned)
    assert benchmark.lacking(every) == []
    gone = every[(every["table"] == "adult") & (every["family"] == FOREST) & (every["ratio"] > 0.6)].index
    assert benchmark.lacking(every.drop(gone)) == ["Not measured yet: adult, forest-diffusion, small at 0.7, 0.9."]


def test_records_that_are_measured_again_replace_the_old(tmp_path):
    path, old = tmp_path / "found.csv", records()
    benchmark.kept(path, old[::-1])
    benchmark.kept(path, old[old["ratio"] == 0.5].assign(share=0.25))
    found = pd.read_csv(path)
    assert len(found) == len(old) and found["family"].tolist() == [OURS] * 5 + [FOREST] * 5
    assert found["ratio"].tolist() == list(benchmark.RATIOS) * 2
    assert (found["share"][found["ratio"] == 0.5] == 0.25).all() and (found["share"] == 0.25).sum() == 2


def test_the_recorded_comparison_is_what_the_page_says():
    frame = pd.read_csv(benchmark.OUTPUT)
    page = benchmark.PAGE.read_text(encoding="utf-8")
    assert page.split(benchmark.BEGIN)[1].split(benchmark.END)[0].strip() == benchmark.block(frame)
    for task in benchmark.TASKS:
        part = frame[frame["table"] == task.name]
        assert (part["rows"] == task.rows).all() and (part["released"] == benchmark.RELEASED).all()
        for family, planned in ((OURS, {"default": benchmark.RATIOS}), (FOREST, task.settings)):
            mine = part[part["family"] == family]
            assert len(mine) and not mine.duplicated(benchmark.KEYS).any()
            assert all(ratio in planned[name] for name, ratio in zip(mine["settings"], mine["ratio"], strict=True))
    theirs = frame[frame["family"] == FOREST]
    version = benchmark.OTHERS[0].replace("==", " ")
    assert theirs["versions"].str.startswith(version).all() and (theirs["trees"] > 0).all()


def test_ours_runs_from_the_command_line(tmp_path, monkeypatch, capsys):
    given = tiny.records(3000)
    monkeypatch.setattr(benchmark, "records", lambda *_: SimpleNamespace(x=given.x, y=given.y, a=given.a, features=()))
    path = tmp_path / "found.csv"
    words = "--tables compas --families ours --ratios 0.5 --rows 60 --released 40 --output"
    monkeypatch.setattr(sys, "argv", ["forest_reference.py", *words.split(), str(path)])
    assert benchmark.main() == 0
    found = pd.read_csv(path)
    assert found[["table", "family", "rows", "released"]].to_numpy().tolist() == [["compas", OURS, 60, 40]]
    assert "| compas | tabular-diffusion | 1 |" in capsys.readouterr().out
