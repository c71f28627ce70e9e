"""The attack `lira` beside LiRA of other packages: the recorded comparison, and their formulas written down anew."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lira_reference as benchmark
import lira_theirs
from popleak.attacks.lira import PLUGIN
from popleak.questions import _trials
from popleak.testing import rows

MADE = rows.made_up(PLUGIN, shift=1.0, models=40, n=150)
PHI, INSIDE = MADE.outputs[:, :150], MADE.inside


def theirs(name: str, victim: int) -> np.ndarray:
    """Return the scores (n,) of the way with this name: normal laws of the shadows' mean and biased standard deviation."""
    shadows = benchmark.others(len(PHI), victim)
    phi, inside = PHI[shadows], INSIDE[shadows]
    sides = [np.where(side, phi, np.nan) for side in (~inside, inside)]
    means, spreads = ([reduce(side, axis=0) for side in sides] for reduce in (np.nanmean, np.nanstd))
    package, mode, *variance = name.split()
    if "mix" in variance:
        spreads = [np.full_like(one, one.mean()) for one in spreads]
    elif "fixed" in variance:
        spreads = [np.full_like(one, np.nanstd(side)) for one, side in zip(spreads, sides, strict=True)]
    elif not variance:
        spreads = [np.full_like(one, one.mean()) for one in spreads]
    out, held = (stats.norm(mean, spread) for mean, spread in zip(means, spreads, strict=True))
    if mode == "online":
        return held.logpdf(PHI[victim]) - out.logpdf(PHI[victim])
    return -out.logpdf(PHI[victim]) if package == "privacyguard" else out.cdf(PHI[victim])


def compared() -> pd.DataFrame:
    """Return what the benchmark finds of the made-up models, with the formulas in place of the packages."""
    told = {name: np.stack([theirs(name, victim) for victim in range(len(PHI))]) for name in lira_theirs.WAYS}
    return benchmark.summary(
        benchmark.compare(PHI, INSIDE, told | {"seen": PHI}).assign(epochs=benchmark.EPOCHS[0], constant=0)
    )


def test_the_formulas_rank_as_ours():
    found = compared()
    assert len(found) == len(benchmark.COMPARISONS) and benchmark.missed(found).empty
    assert found.loc[found["like"], "least"].min() >= benchmark.LEAST
    two_sided = found[(found["theirs"] == "privacyguard offline") & (found["rows"] == "all")]
    assert two_sided["least"].item() < 0.9, "a density falls on both sides of the mean"


def test_a_comparison_that_misses_the_bound_is_named():
    found = compared()
    found.loc[0, "least"] = 0.98
    assert benchmark.missed(found)["theirs"].tolist() == ["privacyguard online row"]
    found.loc[0, "least"] = np.nan
    assert len(benchmark.missed(found)) == 1, "no number is no agreement"


def test_confidences_are_those_of_the_question():
    p = np.array([[0.0, 0.2, 1.0], [0.5, 1.0, 0.9]], dtype=np.float32)
    y = np.array([0, 1, 1], dtype=np.int8)
    view = SimpleNamespace(query=SimpleNamespace(y=y), attack=PLUGIN)
    shown = SimpleNamespace(outputs=p, keys={"model_index": np.arange(2)})
    assert np.array_equal(benchmark.confidence(p, y), _trials.confidences(view, shown))


def test_a_victim_meets_neither_itself_nor_its_twin():
    assert benchmark.others(6, 2).tolist() == benchmark.others(6, 3).tolist() == [0, 1, 4, 5]
    changed = PHI.copy()
    changed[1] += 3.0  # the twin of victim 0
    assert np.array_equal(*(benchmark.ours(phi, INSIDE, "online row")[0] for phi in (PHI, changed)))


def test_rows_of_which_all_models_say_the_same_are_counted():
    phi = PHI.copy()
    phi[:, 3] = 16.0
    phi[INSIDE[:, 5], 5] = 2.0  # those that hold the row alone
    assert benchmark.constant(phi, INSIDE) == 1


def test_the_recorded_comparison_holds():
    frame = pd.read_csv(benchmark.OUTPUT)
    found = benchmark.summary(frame)
    claimed = found[found["like"]]
    told = [benchmark.Comparison(*row) for row in found[list(benchmark.Comparison._fields)].itertuples(index=False)]
    assert tuple(told) == benchmark.COMPARISONS * 2 and tuple(found["epochs"].unique()) == benchmark.EPOCHS
    assert (found["victims"] == benchmark.MODELS).all() and (frame["models"] == benchmark.MODELS).all()
    assert len(claimed) == 10 and (claimed["least"] >= benchmark.LEAST).all() and benchmark.missed(found).empty
    assert claimed["auc_ours"].to_numpy() == pytest.approx(claimed["auc_theirs"].to_numpy(), abs=1e-3)
    versions = {f"{name}=={frame[name.split('-')[0]].unique().item()}" for name in ("privacyguard-platform", "sacroml")}
    assert versions == set(benchmark.OTHERS)
