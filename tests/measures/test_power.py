"""The planner: against statsmodels, its own inverse, and one line for what it cannot do. Widths are simulated in test_coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.power import TTestPower, normal_power_het
from statsmodels.stats.proportion import samplesize_confint_proportion

from popleak.cli import stages
from popleak.core.errors import PopleakError
from popleak.measures import intervals, power


@pytest.mark.parametrize("victims", [20, 80, 400])
def test_detectable_advantage_of_one_split_has_the_power_it_says(victims):
    d = power.detectable_advantage(victims)
    found = normal_power_het(d / 2, victims, 0.05, std_null=0.5, std_alternative=np.sqrt(1 - d**2) / 2)
    assert found == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("splits", [3, 5, 20])
def test_detectable_advantage_of_several_splits_is_that_of_a_t_test(splits):
    """A small advantage hardly changes the variance, so that it is the plain t test over splits."""
    victims = 1_000_000
    d = power.detectable_advantage(victims, splits=splits)
    found = TTestPower().solve_power(nobs=splits, alpha=0.05, power=0.8)
    assert d * np.sqrt(victims / splits) == pytest.approx(found, rel=1e-3)


def test_detectable_advantage_in_numbers():
    assert power.detectable_advantage(400) == pytest.approx(0.1392, abs=5e-4)
    assert power.detectable_advantage(400, splits=5) == pytest.approx(0.188, abs=5e-4)
    assert power.detectable_advantage(800, design_effect=2.0) == power.detectable_advantage(400)
    assert np.isnan(power.detectable_advantage(3))
    assert np.isnan(power.detectable_advantage(7, splits=5))
    assert power.detectable_advantage(20, splits=5) < 1.0


def by_quadrature(d: float, size: float, splits: int) -> float:
    """Return the power at an advantage d: over the quantiles of the variance between splits, z is normal."""
    chi2 = stats.chi2.ppf((np.arange(4_000) + 0.5) / 4_000, splits - 1)
    reject = stats.t.ppf(0.975, splits - 1) * np.sqrt(chi2 / (splits - 1))
    return float(special.ndtr((d * np.sqrt(size) - reject) / np.sqrt(1 - d * d)).mean())


@pytest.mark.parametrize("splits", [2, 3, 5, 7, 8, 9, 10, 11, 12, 15, 20, 29, 50])
def test_every_size_has_a_detectable_advantage(splits):
    """Noncentral t gives NaN far out, as at 10 splits of 200; the power found must be that of plain quadrature."""
    for each in (4, 10, 20, 40, 60, 70, 85, 100, 110, 140, 200, 400, 1_000, 10_000, 100_000):
        size = 2 * splits * each
        d = power.detectable_advantage(size, splits=splits)
        if np.isnan(d):
            assert by_quadrature(0.999, size, splits) < 0.8, (splits, each)
        else:
            assert by_quadrature(d, size, splits) == pytest.approx(0.8, abs=2e-3), (splits, each)


@pytest.mark.parametrize(("splits", "size", "rho"), [(5, 80, 0.0), (5, 40, 0.02), (5, 80, 0.1), (10, 40, 0.1)])
def test_power_at_the_detectable_advantage(splits, size, rho):
    rng = np.random.default_rng([splits, size, int(100 * rho)])
    d = power.plan(accuracy=0.75, per_split=size // 2, splits=splits, correlation=rho).detectable
    p, scale = (1 + d) / 2, 1 / max(rho, 1e-9) - 1
    rates = rng.beta(p * scale, (1 - p) * scale, size=(2_000, splits)) if rho else np.full((2_000, splits), p)
    drawn, totals = rng.binomial(size, rates), np.full(splits, size)
    assert np.mean([intervals.proportion(one, totals).p < 0.05 for one in drawn]) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_many_proportions_at_once_are_those_of_one(level):
    rng = np.random.default_rng(2)
    rows = np.concatenate(
        [rng.binomial(40, p, size=(60, 5)) for p in (0.1, 0.5, 0.8, 0.97, 1.0)] + [[[20] * 5, [40] * 5, [0] * 5]]
    )
    widths, p = power.proportions(rows, 40, level=level)
    one = [intervals.proportion(row, np.full(5, 40), level=level) for row in rows]
    np.testing.assert_allclose(widths, [found.high - found.low for found in one], atol=1e-9)
    np.testing.assert_allclose(p, [found.p for found in one], atol=1e-12)


def test_a_width_near_1_leaves_room_for_failures_not_seen():
    """The formula of the variance alone would promise half of it."""
    cells = [(0.99, 5, 40, 0.1), (0.97, 5, 40, 0.0), (0.95, 10, 80, 0.1)]
    for accuracy, splits, size, rho in cells:
        rng, scale = np.random.default_rng(3), 1 / max(rho, 1e-9) - 1
        rates = rng.beta(accuracy * scale, (1 - accuracy) * scale, size=(1_000, splits)) if rho else accuracy
        found = [intervals.proportion(one, np.full(splits, size)) for one in rng.binomial(size, rates, (1_000, splits))]
        width = power.median_width(accuracy, victims=splits * size, splits=splits, correlation=rho)
        assert power.middle(np.array([one.high - one.low for one in found])) == pytest.approx(width, rel=0.15)


def test_width_of_one_split_and_of_many():
    plan = power.plan(accuracy=0.75, width=0.1, splits=1)
    wilson = samplesize_confint_proportion(0.75, 0.05)
    assert plan.victims == pytest.approx(wilson, rel=0.03)
    many = power.plan(accuracy=0.75, width=0.1, splits=30)
    assert plan.victims <= many.victims <= 1.3 * plan.victims


def test_a_plan_is_the_smallest_that_meets_its_width():
    plan = power.plan(accuracy=0.8, width=0.12, splits=10, correlation=0.02)
    assert (
        plan.width <= 0.12 < power.plan(accuracy=0.8, per_split=plan.per_split - 1, splits=10, correlation=0.02).width
    )
    assert plan.victims == 20 * plan.per_split
    assert plan.design_effect == pytest.approx(1 + (2 * plan.per_split - 1) * 0.02)


def test_correlation_sets_a_limit_that_only_splits_lift():
    assert power.plan(accuracy=0.75, width=0.1, splits=5, correlation=0.1).victims is None
    assert power.plan(accuracy=0.75, width=0.1, splits=60, correlation=0.1).victims


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accuracy": 1.0}, "accuracy must"),
        ({"width": 0.0}, "width must"),
        ({"splits": 0}, "splits must"),
        ({"correlation": 1.0}, "correlation must"),
        ({"splits": 1, "correlation": 0.1}, "one split"),
        ({"level": 1.0}, "level must"),
        ({"power": 0.0}, "power must"),
        ({"per_split": 0}, "victims must"),
    ],
)
def test_one_line_for_what_it_cannot_do(options, said):
    with pytest.raises(PopleakError, match=said) as error:
        power.plan(**{"accuracy": 0.75, "width": 0.1} | options)
    assert "\n" not in str(error.value)


def test_the_command(capsys):
    assert (
        stages.main(["power", "--accuracy", "0.8", "--width", "0.1", "--splits", "5", "--correlation", "0", "0.1"]) == 0
    )
    head, first, second = capsys.readouterr().out.splitlines()
    assert "design effect" in head and "none: more splits" in second
    assert first.split()[:2] == ["5", "0"]
    assert stages.main(["power", "--advantage", "0.6", "--width", "0.2", "--splits", "5", "--correlation", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == first.split()[:4], "twice the accuracy's width"
    assert stages.main(["power", "--victims", "40", "--splits", "5", "--correlation", "0"]) == 0
    assert "0.188" in capsys.readouterr().out
    assert stages.main(["power", "--splits", "1", "2"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["1", "0"], ["2", "0"], ["2", "0.02"], ["2", "0.1"],
    ]  # fmt: skip
    assert stages.main(["power", "--advantage", "1.5"]) == 2
    assert "popleak: advantage must" in capsys.readouterr().err
