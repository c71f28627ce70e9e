"""Claims on Equalized Odds: what lowers Delta_EO, and what decides it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import told
from claimed import FAILS, GAME, HOLDS, OPEN, TASKS, changed, diverge, judge, spread, tables, verdict
from popleak.measures import squares
from popleak.tables import _paired, claims

pytestmark = pytest.mark.slow


def test_delta_eo_is_judged_by_squares_and_shown_beside_what_chance_reads():
    """Plug-in values that differ by their floors alone decide nothing; the interval is that of the change of the root mean square."""
    parts = tables(eo={"fft": 0.0, "fft-rehearsal": 0.0, "none": 0.0})
    models = parts["models"]
    models["delta_eo"] = np.where(models["defence"] == "none", 0.2, 0.05)
    models["delta_eo_floor"] = 0.04
    found = (
        claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS))
        .to_pandas()
        .set_index("claim")
        .loc["C5"]
    )
    assert found["verdict"].tolist() == [OPEN, OPEN]
    assert found["evidence"].str.contains(r"plug-in 0.050 \(0.040 without a difference\) against 0.200 \(0.040 ").all()
    below_zero = {name: -1e-4 for name in _paired.SQUARES}
    found = claims.make(
        parts=[], tables={**parts, "models": models.assign(**below_zero)}, settings=told.table("claims", TASKS)
    ).to_pandas()
    c5 = found.set_index("claim").loc["C5"]
    assert c5["verdict"].tolist() == [OPEN, OPEN] and c5["evidence"].str.contains(_paired.NOTHING).all()
    found = (
        claims.make(parts=[], tables=tables(noise=1e-4), settings=told.table("claims", TASKS))
        .to_pandas()
        .set_index("claim")
        .loc["C5"]
    )
    assert found["verdict"].tolist() == [HOLDS, HOLDS]
    np.testing.assert_allclose(found[["low", "high"]], [[-0.1, -0.1], [-0.17, -0.17]], atol=1e-3)


def five(parts):
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    return found[found["claim"] == "C5"].iloc[0]


def test_two_starting_populations_that_disagree_are_decided():
    """More splits cannot settle what is settled: one population's models become less fair, and the claim fails."""
    row = five(changed(tables(noise=1e-3), "fft", 0, eo=0.3))
    assert row["verdict"] == FAILS and np.isnan(row["splits_needed"])
    assert (
        "Models that start from world 0 become less fair; models that start from world 1 become fairer." in row["plain"]
    )
    assert "The claim fails if the models of either starting population become less fair" in row["plain"]


def test_one_starting_population_that_changes_too_little_is_named():
    parts = tables(noise=1e-3)
    models = parts["models"].reset_index(drop=True)
    mine, raw = (models[(models["defence"] == name) & (models["world"] == 1)] for name in ("fft", "none"))
    wobble = spread(0.0, 2e-3, len(raw), 3)
    for name in _paired.SQUARES:
        models.loc[mine.index, name] = raw[name].to_numpy() + wobble - wobble.mean() - 1e-4
    row = five({**parts, "models": models})
    assert row["verdict"] == OPEN and row["splits_needed"] > 5
    assert (
        "start from world 0 become fairer; models that start from world 1 change by too little to be told"
        in row["plain"]
    )
    assert "pool splits would decide it" in row["plain"]


def test_two_measures_that_point_apart_are_settled_by_no_number_of_splits():
    parts = tables(noise=1e-4)
    fair, noise = parts["models"]["defence"] == "fft", spread(0.0, 1e-4, len(parts["models"]), 1)
    parts["models"]["fpr_difference_squared"] = np.where(fair, 0.035, 0.04) + noise
    parts["models"]["tpr_difference_squared"] = np.where(fair, 0.03, 0.0)
    row = five(parts)
    assert row["verdict"] == OPEN and np.isnan(row["splits_needed"])
    assert (
        "The models of both starting populations become fairer by one of two measures and less fair by the other."
        in row["plain"]
    )
    assert f"What stands in the way: {_paired.APART}. More models" in row["plain"]


@pytest.mark.parametrize("constant", [True, False])
def test_models_that_became_equal_by_one_answer_are_called_so(constant):
    parts = tables()
    for world in (0, 1):
        accuracy = parts["models"].loc[parts["models"]["defence"] == "none", "accuracy"].mean() - 0.2
        parts = changed(parts, "fft", world, accuracy=accuracy, status="constant" if constant else "ok")
    row = five(parts)
    assert row["verdict"] == HOLDS and "accuracy falls by 20.0 points." in row["plain"]
    said = "But all of these models give every record one label and accuracy falls by" in row["plain"]
    assert said == constant == ("They became equal by giving one answer" in row["plain"])


def test_the_larger_label_and_both_must_agree_on_delta_eo():
    """One label falls and the other rises to just below it: the largest difference fell, the sum of squares rose."""
    parts = tables(noise=1e-4)
    fair, noise = parts["models"]["defence"] == "fft", spread(0.0, 1e-4, len(parts["models"]), 1)
    parts["models"]["fpr_difference_squared"] = np.where(fair, 0.035, 0.04) + noise
    parts["models"]["tpr_difference_squared"] = np.where(fair, 0.03, 0.0)
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    assert verdict(found, "C5")[0] == OPEN
    parts["models"]["tpr_difference_squared"] = 0.0
    assert (
        verdict(claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas(), "C5")[0] == HOLDS
    )


@pytest.mark.parametrize("shared", [True, False], ids=["noise of a split", "noise of a victim"])
def test_noise_of_rates_alone_lowers_no_delta_eo(shared):
    """Both defences differ by 0.03 between the groups, one at rates near 0 and 1, one at 1/2, whose noise is three times as large:
    where the sign is chosen on other rows, the noisier reads less, and 15 to 100 of 100 runs said that Delta_EO fell."""
    rng = np.random.default_rng(5)
    rates = {"none": [[0.02, 0.02], [0.95, 0.98]], "fft": [[0.5, 0.5], [0.5, 0.53]]}
    counts, unseen = np.full((2, 2), 600), np.full((2, 2), 1_000_000)
    words = []
    for _ in range(100):
        frames = []
        for name, rate in rates.items():
            drawn = rng.binomial(600, np.broadcast_to(rate, (12, 1 if shared else 8, 2, 2))) + np.zeros((12, 8, 1, 1))
            found = squares.squared_differences(drawn.reshape(-1, 2, 2), counts, unseen)
            frame = pd.DataFrame(found, columns=list(_paired.SQUARES)).assign(
                defence=name, status="ok", world=0, **GAME
            )
            frame["split"], frame["model_index"] = np.repeat(np.arange(12), 8), np.tile(np.arange(8), 12)
            frames.append(frame.assign(protocol="pure", ratio_0=0.0, ratio_1=1.0))
        words.append(_paired.lower_eo(pd.concat(frames, ignore_index=True), "fft", "none")[0].word)
    assert words.count(HOLDS) <= 7 and words.count(FAILS) <= 7


def test_settings_that_could_not_be_judged_are_counted_beside_those_that_were():
    """Once a claim on 160 models that did not diverge gave `no model is left` as its reason."""
    once = {"fft": ({"fell": 0.1}, OPEN), "none": ({"fell": 0.1}, OPEN), "fft-rehearsal": ({"fell": -0.1}, HOLDS)}
    for gone, (limits, word) in once.items():
        found = claims.make(
            parts=[], tables=diverge(tables(bounds=limits), gone), settings=told.table("claims", TASKS)
        ).to_pandas()
        row = found.set_index("claim").loc["C7"]
        assert row["verdict"] == word
        everything = gone == "none"
        assert ("2 of 4 settings could not be judged" in row["evidence"]) != everything
        assert ("no model is left" in row["evidence"]) == everything
        assert ("no setting could be judged" in row["evidence"]) == everything


def test_models_that_a_search_chose_carry_no_claim_on_what_the_term_does():
    """Of the other defence nothing changes. C6 takes its verdict from the table `leakage`, which says so itself."""
    usual, found = judge(), judge({"searched": {"t": ["fft"]}})
    assert verdict(usual, "C5") == [HOLDS, HOLDS] and verdict(found, "C5") == [OPEN, HOLDS]
    (evidence,) = found.loc[(found["claim"] == "C5") & (found["verdict"] == OPEN), "evidence"]
    assert evidence.endswith("; cannot tell: lambda was searched for each model")
    others = usual["claim"] != "C5"
    pd.testing.assert_frame_equal(usual[others], found[others])
