"""What later attacks change about `best`, on verdicts made by hand."""

from __future__ import annotations

import pandas as pd
import pytest

import wider_best
from popleak.core.errors import PopleakError
from popleak.measures.intervals import paired_test
from popleak.measures.leakage import CHOSEN
from right_in import judged


def test_best_among_few_and_among_all():
    scores = pd.concat([judged("kl", 0.7, seed=0), judged("meta", 0.5, seed=1), judged("lda", 0.9, seed=2)])
    (row,) = wider_best.changes(wider_best.candidates(scores), ["lda"])
    kl, lda = (scores[scores["adversary"] == name] for name in ("kl", "lda"))
    right = [(one["guess"] == one["world"]).to_numpy(float) for one in (lda, kl)]
    found = paired_test(*right, kl["split"].to_numpy(), inflation=CHOSEN)
    assert (row["chosen_earlier"], row["chosen"]) == ("kl kl", "lda lda")
    assert [row[name] for name in ("difference", "low", "high")] == pytest.approx(found[:3])
    assert row["all"] - row["earlier"] == pytest.approx(row["difference"]) and row["low"] > 0
    assert "1 cells: best rises beyond its interval in 1 and falls in 0" in wider_best.tell(pd.DataFrame([row]))


def test_who_sees_more_or_is_a_reference_is_no_candidate():
    scores = pd.concat([
        judged("kl", 0.6, seed=0), judged("weights", 1.0, seed=1, access="weights"), judged("kl-transductive", 1.0, seed=2),
        judged("mine", 0.7, seed=3), judged("other", 0.7, seed=4, access="labels"),
    ])  # fmt: skip
    assert set(wider_best.candidates(scores, ["other"])["adversary"]) == {"kl", "mine"}


def test_an_attack_that_is_not_there_is_refused():
    with pytest.raises(
        PopleakError, match="--later: no candidate for best in these scores is called 'lda': choose from kl"
    ):
        list(wider_best.changes(judged("kl", 0.6, seed=0), ["lda"]))


def test_budgets_are_told_apart():
    few, many = (dict(shadows=number, queries=0, ask="") for number in (3, 30))
    scores = pd.concat([
        judged("kl", 0.6, seed=0).assign(**few), judged("kl", 0.6, seed=1).assign(**many), judged("lda", 1.0, seed=2).assign(**many),
    ])  # fmt: skip
    (row,) = wider_best.by_budget(scores, ["lda"])
    assert (row["shadows"], row["all"]) == (30, 1.0) and row["low"] > 0, "with three shadows nothing was added"
    with pytest.raises(PopleakError, match="is called 'meta': choose from kl, lda"):
        list(wider_best.by_budget(scores, ["meta"]))


def test_the_command_writes_a_row_a_cell(tmp_path, monkeypatch, capsys):
    frames = [judged(name, 0.6, seed=i, defence=d) for i, name in enumerate(("kl", "lda")) for d in ("none", "fft")]
    pd.concat(frames).to_parquet(tmp_path / "scores.parquet")
    words = ["wider_best.py", tmp_path / "scores.parquet", "--later", "lda", "--output", tmp_path / "found.csv"]
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    assert wider_best.main() == 0
    assert pd.read_csv(tmp_path / "found.csv")["defence"].tolist() == ["none", "fft"]
    assert capsys.readouterr().err.startswith("2 cells: ")
    words[1] = tmp_path / "none.parquet"
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    assert wider_best.main() == 2 and "run the experiment first" in capsys.readouterr().err
