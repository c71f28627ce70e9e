"""Paired differences: their spread, the power of both tests against simulation, plans, and the command."""

from __future__ import annotations

import numpy as np
import pytest

import fake_tables
from popleak.cli import pilot, stages
from popleak.core.errors import PopleakError
from popleak.measures import intervals, paired
from popleak.measures.paired import Spread

pytestmark = pytest.mark.slow

SPREADS = [(5, 40, 0.25, 0.0), (5, 40, 0.25, 0.03), (10, 20, 0.2, 0.05), (20, 20, 0.25, 0.02), (20, 1, 0.2, 0.08)]


def drawn(difference, spread, splits, size, experiments, rng) -> np.ndarray:
    """Return differences (experiments, splits * size) of normal victims and splits."""
    own = spread.between * rng.standard_normal((experiments, splits, 1))
    victims = spread.within * rng.standard_normal((experiments, splits, size))
    return (difference + own + victims).clip(-1.0, 1.0).reshape(experiments, -1)


@pytest.mark.parametrize(("splits", "per_split", "within", "between"), SPREADS)
def test_the_formula_has_the_power_of_the_tests(splits, per_split, within, between):
    """1,500 experiments a power, through the tests in use: standard error at most 1.3 points. Largest error of the forty: 2.1 points."""
    spread, ids = Spread(within, between), np.repeat(np.arange(splits), 2 * per_split)
    design = {"victims": ids.size, "splits": splits, "spread": spread}
    size, rng, none = paired.detectable(**design), np.random.default_rng(11), np.zeros(ids.size)
    margin = 1.2 * size
    for difference in (margin, size, size / 2, 0.0):
        values = drawn(difference, spread, splits, 2 * per_split, 1_500, rng)
        found = np.mean([intervals.paired_test(one, none, ids).p < 0.05 for one in values])
        equal = np.mean([intervals.equivalence(one, none, ids, margin=margin) < 0.05 for one in values])
        expected = paired.powers(difference, margin=margin, **design)
        assert (found, equal) == pytest.approx(tuple(expected), abs=0.035)
    assert paired.powers(size, margin=margin, **design).find == pytest.approx(0.8, abs=1e-3)


def test_the_spread_is_the_analysis_of_variance():
    """Unbiased for both variances: 400 experiments of unequal splits."""
    rng, sizes = np.random.default_rng(3), np.array([10, 20, 30, 40, 50])
    ids = np.repeat(np.arange(5), sizes)
    squares = []
    for _ in range(400):
        values = 0.2 * rng.standard_normal(5)[ids] + 0.5 * rng.standard_normal(ids.size)
        squares.append(np.square(paired.spread(values, ids)))
    within, between = np.mean(squares, axis=0)
    assert within == pytest.approx(0.25, rel=0.02) and between == pytest.approx(0.04, rel=0.15)
    values, ids = np.array([0, 1, 0, 1.0]), np.array([0, 0, 1, 1])
    assert paired.spread(values, ids) == Spread(pytest.approx(np.sqrt(0.5)), 0.0), "means agree: no less than 0"
    # means 0 and 1, no variance within: (mean square between 1 - 0) / 2 victims a split
    assert paired.spread(np.array([0, 0, 1, 1.0]), ids) == Spread(0.0, pytest.approx(np.sqrt(0.5)))


@pytest.mark.parametrize("ids", [[0, 0, 0], [0, 1, 2], []])
def test_no_spread_from_one_split_or_one_victim_each(ids):
    found = paired.spread(np.arange(len(ids)) / 4, np.array(ids))
    assert np.isnan(found).all()
    assert np.isnan(paired.detectable(victims=8, splits=2, spread=found))


def test_a_plan_is_the_smallest_that_has_the_power():
    spread, design = Spread(0.5, 0.04), {"difference": 0.06, "margin": 0.07}
    plan = paired.plan(splits=12, spread=spread, **design)
    for count, size, test in ((plan.find, 0.06, "find"), (plan.equal, 0.0, "equal")):
        at = [
            getattr(paired.powers(size, victims=24 * n, splits=12, spread=spread, margin=0.07), test)
            for n in (count - 1, count)
        ]
        assert at[0] < 0.8 <= at[1]
    assert paired.plan(splits=40, spread=spread, **design).find < plan.find
    assert paired.plan(splits=4, spread=spread, **design) == (4, None, None), (
        "splits differ: no number of victims helps"
    )


def test_more_shadows_favour_fewer_splits():
    plans = [paired.plan(difference=0.1, margin=0.1, splits=n, spread=Spread(0.5, 0.05)) for n in (6, 10, 20, 40)]
    cheapest = []
    for shadows in (0, 500):
        line = next(line for line in paired.lines(plans, shadows=shadows) if "find" in line and "least" in line)
        cheapest.append(int(line.split(": ")[1].split()[0]))
        costs = {plan.splits: 2 * plan.splits * (plan.find + shadows) for plan in plans if plan.find}
        assert costs[cheapest[-1]] == min(costs.values())
    assert cheapest[0] > cheapest[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"difference": 0.0}, "difference must"),
        ({"margin": 0.5}, "margin must"),
        ({"splits": 1}, "one split cannot"),
        ({"spread": Spread(-0.1, 0.0)}, "sd must"),
        ({"spread": Spread(0.4, np.nan)}, "between must"),
        ({"level": 1.0}, "level must"),
        ({"power": 0.0}, "power must"),
    ],
)
def test_one_line_for_what_it_cannot_do(options, said):
    usual = {"difference": 0.05, "margin": 0.05, "splits": 5, "spread": Spread(0.5, 0.0)}
    with pytest.raises(PopleakError, match=said) as error:
        paired.plan(**usual | options)
    assert "\n" not in str(error.value)


def test_the_command(capsys):
    usual = ["power", "--difference", "0.05", "--sd", "0.5", "--between", "0.03"]
    assert stages.main([*usual, "--splits", "5", "20", "--shadows", "40"]) == 0
    head, five, twenty, *least = capsys.readouterr().out.splitlines()
    assert "victims a split and world" in head and "none: more splits" in five
    plan = paired.plan(difference=0.05, margin=0.05, splits=20, spread=Spread(0.5, 0.03))
    cost = [str(2 * 20 * (count + 40)) for count in (plan.find, plan.equal)]
    assert twenty.split() == ["20", str(plan.find), cost[0], str(plan.equal), cost[1]]
    assert [line.split(": ")[1] for line in least] == ["20 splits"] * 2
    assert stages.main([*usual, "--splits", "10", "--victims", "40", "--margin", "0.1"]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    design = {"victims": 800, "splits": 10, "spread": Spread(0.5, 0.03)}
    found, equal = (paired.powers(size, margin=0.1, **design) for size in (0.05, 0.0))
    assert row == ["10", "400", f"{found.find:.2f}", f"{equal.equal:.2f}", f"{paired.detectable(**design):.3f}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sd", "0.5"], "give --difference too"),
        (["--margin", "0.1"], "give --difference too"),
        (["--difference", "0.05"], "give --sd and --between, or --pilot"),
        (["--difference", "0.05", "--sd", "0.5"], "give --sd and --between, or --pilot"),
        (["--difference", "0.05", "--pilot", "x", "--between", "0"], "leave out one"),
        (["--difference", "0.05", "--sd", "0.5", "--between", "0", "--width", "0.1"], "--width is about an interval"),
        (["--difference", "0.05", "--sd", "0.5", "--between", "0", "--correlation", "0"], "--correlation is about an"),
        (["--difference", "0.05", "--sd", "0.5", "--between", "0", "--shadows", "-1"], "shadows must"),
        (["--difference", "0.05", "--sd", "0.5", "--between", "0", "--victims", "0"], "victims must"),
    ],
)
def test_options_that_do_not_go_together(words, said, capsys):
    assert stages.main(["power", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_pilot_run_gives_the_spreads(tmp_path, capsys):
    frames = {"leakage": fake_tables.tables(tasks=("t",), victims=4)["leakage"].copy()}
    table = frames["leakage"]
    asked = (table["family"] == "primary") & (table["defence"] == "fft-rehearsal") & (table["protocol"] == "pure")
    known = ["sd_vs_control", "between_vs_control"]
    table.loc[~asked, known] = np.nan
    table.loc[asked, known] = (0.45, 0.02)
    path = fake_tables.write(tmp_path, frames)["leakage"]
    (found,) = pilot.read(path)
    assert found == ("t, mlp, pure 0 against 1: fft-rehearsal minus its control", Spread(0.45, 0.02), 5, 40)
    assert stages.main(["power", "--difference", "0.1", "--pilot", str(path), "--splits", "10"]) == 0
    title, *rest = capsys.readouterr().out.splitlines()
    assert title.endswith("(40 victims in 5 splits): sd 0.450 within splits, 0.020 between")
    assert stages.main(["power", "--difference", "0.1", "--sd", "0.45", "--between", "0.02", "--splits", "10"]) == 0
    assert capsys.readouterr().out.splitlines() == rest
    table[known] = np.nan
    path = fake_tables.write(tmp_path, frames)["leakage"]
    assert {one.name.partition(" minus ")[2] for one in pilot.read(path)} == {"none"}, "without a control"


def test_a_file_that_is_no_pilot_is_refused(tmp_path):
    frames = fake_tables.tables(tasks=("t",), victims=4)
    paths = fake_tables.write(tmp_path, {name: frames[name] for name in ("models", "scores")})
    for path in paths.values():
        with pytest.raises(PopleakError, match="is not the table `leakage`: give results/"):
            pilot.read(path)
    known = [f"{name}_vs_{other}" for other in ("control", "none") for name in ("sd", "between")]
    none = fake_tables.write(tmp_path, {"leakage": frames["leakage"].assign(**dict.fromkeys(known, np.nan))})
    with pytest.raises(PopleakError, match="two pool splits or more"):
        pilot.read(none["leakage"])
    with pytest.raises(PopleakError, match="no such file"):
        pilot.read(tmp_path / "nowhere.parquet")
