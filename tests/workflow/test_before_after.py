"""Accuracy beside AUC before and after a change, on verdicts made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import before_after
from popleak.core.errors import PopleakError
from popleak.measures.intervals import paired_test
from right_in import judged


def test_tasks_are_paired_victim_by_victim():
    one, other = judged("kl", 0.6, seed=0).assign(task="t-whole"), judged("kl", 0.9, seed=1).assign(task="t-parts")
    scores = pd.concat(
        [one, other.sample(frac=1, random_state=0), judged("kl", 0.5, seed=2).assign(task="alone-whole")]
    )
    (row,) = before_after.changes(scores, "task", "whole", "parts")
    right = [(part["guess"] == part["world"]).to_numpy(float) for part in (other, one)]
    found = paired_test(*right, one["split"].to_numpy())
    assert row["task"] == "t" and row["victims"] == len(one)
    assert [row[name] for name in ("difference", "low", "high")] == pytest.approx(found[:3])
    assert row["accuracy_after"] == pytest.approx(right[0].mean())
    told = before_after.tell(pd.DataFrame([row]))
    assert "1 cells: accuracy rises beyond its interval in 1 and falls in 0, after Holm's correction in 1 and 0" in told


def test_an_attack_that_judges_some_victims_is_compared_on_those():
    whole = judged("lda", 0.8, seed=0)
    last = judged("releases", 0.8, seed=1)
    (row,) = before_after.changes(
        pd.concat([whole, last[last["model_index"] % 2 == 1]]), "adversary", "lda", "releases"
    )
    assert row["victims"] == len(whole) // 2
    kept = whole["model_index"] % 2 == 1
    assert row["accuracy_before"] == pytest.approx((whole["guess"] == whole["world"])[kept].mean())


@pytest.mark.parametrize("apart", [0.0, 0.5, 2.0])
def test_what_an_auc_allows(apart):
    auc = stats.norm.cdf(apart / np.sqrt(2))
    assert before_after.allowed(auc) == pytest.approx(stats.norm.cdf(apart / 2))
    assert before_after.allowed(1.0) == 1.0 and before_after.allowed(0.3) == 0.5


def test_words_that_are_not_there_are_refused():
    with pytest.raises(PopleakError, match="'parts': no task of these scores is called so: there are t"):
        list(before_after.changes(judged("kl", 0.5, seed=0).assign(task="t-whole"), "task", "whole", "parts"))
