"""Whether rows show that Delta_EO exceeds a target: the level by simulation, what few rows say, and what is promised before a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from popleak.core.seeds import generator
from popleak.measures import target

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
AIM = 0.05
MODELS = 20_000
CELLS = {
    "160, equal cells": [[40, 40], [40, 40]],
    "160, unequal": [[54, 70], [26, 10]],
    "400, equal cells": [[100, 100], [100, 100]],
    "400, unequal": [[135, 175], [65, 25]],
    "2,000, equal cells": [[500, 500], [500, 500]],
    "2,000, unequal": [[675, 875], [325, 125]],
}
"""Rows by [y, a]."""
LAWS = {"usual": (0.15, 0.6), "even": (0.45, 0.5)}
"""Rates P(yhat = 1 | y) of the group in which they are lower."""


def draws(counts, rates, *key) -> tuple[np.ndarray, np.ndarray]:
    """Return positives and counts (MODELS, 2, 2) of models with these true rates (2, 2)."""
    counts = np.broadcast_to(np.array(counts), (MODELS, 2, 2))
    return generator("target", *key).binomial(counts, rates), counts


def rates_of(law: str, label_0: float, label_1: float) -> np.ndarray:
    """Return true rates by [y, a] that differ by these amounts, the groups in opposite order."""
    low = LAWS[law]
    return np.array([[low[0], low[0] + label_0], [low[1] + label_1, low[1]]])


@pytest.fixture(scope="module")
def refused() -> dict[str, list[str]]:
    """By cells: in per cent how many models are refused without any difference and with the target's in either label, by law, and
    how many without any (the first law) have a plug-in above the target; then the expected plug-in and what is found before a run."""
    found = {}
    for name, counts in CELLS.items():
        found[name] = []
        for law in LAWS:
            for number, gaps in enumerate(((0.0, 0.0), (AIM, AIM))):
                positives, rows = draws(counts, rates_of(law, *gaps), name, law, number)
                found[name].append(100 * target.exceeds(positives, rows, AIM).mean())
        positives, rows = draws(counts, rates_of("usual", 0.0, 0.0), name, "usual", 0)
        plain = np.abs(np.diff(positives / rows, axis=2)).max(axis=(1, 2))
        found[name].append(100 * (plain > AIM).mean())
        found[name] += [target.without_difference(counts), target.detectable(counts, AIM)]
    return found


def test_the_level_is_held(refused):
    """By true Delta_EO of at most the target, in the worst case both labels at it; 0.15 points is the simulation's error."""
    for name, found in refused.items():
        assert max(found[:4]) <= 5.0, name
    assert max(found[1] for found in refused.values()) > 3.5, "with many rows the level is used"


def test_the_page_says_what_is_simulated(refused):
    page = PAGE.read_text(encoding="utf-8")
    for name, found in refused.items():
        cells = [f"{share:.1f}" for share in found[:5]] + [f"{value:.2f}" for value in found[5:]]
        assert f"| {name} | {' | '.join(cells)} |" in page, f"docs/statistics.md: {name} | {' | '.join(cells)}"


@pytest.mark.parametrize("cells", [(3, 30), (10, 10), (5, 5), (10, 150), (50, 250), (40, 40)])
@pytest.mark.parametrize("aim", [0.02, 0.05, 0.1])
def test_one_label_holds_the_level_for_every_rate(cells, aim):
    """Exactly, over all outcomes of the two cells: no rate of the groups refuses oftener than the level."""
    from scipy.stats import binom

    n0, n1 = cells
    x0, x1 = (grid.ravel() for grid in np.meshgrid(np.arange(n0 + 1), np.arange(n1 + 1), indexing="ij"))
    positives, counts = np.zeros((len(x0), 2, 2)), np.zeros((len(x0), 2, 2), int)
    positives[:, 0], counts[:, 0] = np.stack([x0, x1], 1), cells
    p = target.p_exceeds(positives, counts, aim)
    for level in (target.LEVEL, target.LEVEL / 2):
        for low in np.linspace(0, 1 - aim, 21):
            for rates in ((low, low + aim), (low + aim, low)):
                chance = binom.pmf(x0, n0, rates[0]) * binom.pmf(x1, n1, rates[1])
                assert chance[p <= level].sum() <= level


def test_constant_models_and_empty_cells_refuse_nothing():
    sizes = [(1, 1000), (1000, 1), (3, 300), (40, 40), (2, 2), (500, 500)]
    counts = np.array([[one, other] for one in sizes for other in sizes])
    for positives in (np.zeros_like(counts), counts):
        assert not target.exceeds(positives, counts, 0.0).any()
    empty = np.array([[[0, 50], [50, 0]], [[0, 0], [0, 0]], [[0, 500], [0, 500]]])
    assert target.p_exceeds(empty, empty, 0.0).tolist() == [1.0, 1.0, 1.0]
    one = np.array([[[0, 500], [500, 500]]])  # label 0 says nothing, and is no second test
    apart = np.array([[[0, 250], [100, 200]]])
    both = np.array([[[500, 500], [500, 500]]])
    assert target.p_exceeds(apart, one, AIM) * 2 == pytest.approx(
        target.p_exceeds(np.array([[[250, 250], [100, 200]]]), both, AIM)
    )


def test_a_model_whose_scores_are_not_finite_is_not_refused():
    counts = np.full((1, 2, 2), 100)
    assert target.p_exceeds(np.full((1, 2, 2), np.nan), counts, AIM).tolist() == [1.0]


def test_neither_group_nor_label_is_special():
    positives, counts = np.array([[[30, 60], [20, 25]]]), np.array([[[90, 110], [40, 60]]])
    p = target.p_exceeds(positives, counts, AIM)
    for swap in (np.s_[:, ::-1], np.s_[:, :, ::-1]):
        assert target.p_exceeds(positives[swap], counts[swap], AIM) == pytest.approx(p)
    assert target.p_exceeds(counts - positives, counts, AIM) == pytest.approx(p)
    assert 0 < p[0] < target.p_exceeds(positives, counts, 2 * AIM)[0]


@pytest.mark.parametrize("counts", CELLS.values())
def test_what_is_promised_before_a_run(counts):
    rate = target.USUAL_RATE
    positives, rows = draws(counts, np.full((2, 2), rate), "floor", str(counts))
    reads = np.abs(positives[:, :, 1] / rows[:, :, 1] - positives[:, :, 0] / rows[:, :, 0]).max(1)
    assert target.without_difference(counts) == pytest.approx(reads.mean(), rel=0.02)
    delta = target.detectable(counts, AIM)
    power = []
    for y in (0, 1):
        for a in (0, 1):
            rates = np.full((2, 2), rate)
            rates[y, 1 - a] = max(rate - delta / 2, 0)
            rates[y, a] = rates[y, 1 - a] + delta
            positives, rows = draws(counts, rates, "power", str(counts), y, a)
            power.append(target.exceeds(positives, rows, AIM).mean())
    assert min(power) == pytest.approx(target.POWER, abs=0.07), "the label and group that show least decide"


def test_nothing_is_promised_where_nothing_can_be_found():
    assert np.isnan(target.without_difference(np.array([[0, 40], [40, 0]])))
    assert np.isnan(target.detectable(np.array([[0, 40], [40, 0]]), AIM))
    assert np.isnan(target.detectable(np.array([[2, 2], [2, 2]]), AIM))
