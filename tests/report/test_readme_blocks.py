"""The README's blocks of experiments on attacks and on ratios: sentences and tables made of the public tables alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fake_tables
from popleak.core.errors import PopleakError
from popleak.report import attacks, ratios, readme
from popleak.stages import figures as figure


@pytest.fixture(scope="module")
def full():
    return fake_tables.tables(tasks=("adult-sex", "compas-race"), victims=40, full=True)


def judged(correct, **words):
    """Return rows of `scores` for one adversary in one game: correct (splits, victims) by victim of world 1."""
    correct = np.asarray(correct, dtype=int)
    split, index = np.indices(correct.shape)
    usual = {"task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0, "defence": "none",
             "access": "scores", "knowledge": "informed", "shadow_model": "mlp", "repeats": 1}  # fmt: skip
    columns = {"split": split.ravel(), "world": 1, "model_index": index.ravel(), "guess": correct.ravel()}
    return pd.DataFrame({**usual, **columns, **words})


def scored(*parts):
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(correct=(frame["guess"] == frame["world"]).astype(float))


def test_two_adversaries_are_compared_on_the_same_victims():
    """On 8 of 10 victims of each split the one is right, on 5 the other: 30 points, whatever the order of rows."""
    one, other = [[1] * 8 + [0] * 2] * 4, [[0] * 5 + [1] * 5] * 4
    first = scored(judged(one, adversary="weights"))
    second = scored(judged(other, adversary="meta")).sample(frac=1, random_state=1)
    (row,) = attacks.compared(first, second).to_dict("records")
    assert row["value"] == pytest.approx(0.3) and row["low"] < 0.3 < row["high"]


def test_weights_against_scores_is_counted_over_cells():
    better, worse = [[1] * 20] * 5, [[0] * 19 + [1]] * 5
    frame = judged(better, adversary="weights", access="weights"), judged(worse, adversary="meta")
    again = (
        one.assign(defence="fft")
        for one in (frame[1].assign(adversary="weights", access="weights"), frame[0].assign(adversary="meta"))
    )
    leakage = fake_tables.tables(tasks=("t",), victims=8)["leakage"]
    leakage = leakage[(leakage["protocol"] == "pure") & leakage["defence"].isin(["none", "fft"])]
    said = attacks.findings(leakage, pd.concat([*frame, *again], ignore_index=True))[0]
    assert "more often in 1 of 2 cells and less often in 1" in said
    assert "from \u221295.0 points" in said and "(t, fft) to +95.0 points" in said


def test_every_axis_has_its_sentence(full):
    said = attacks.findings(full["leakage"], full["scores"])
    for words in ("Seen the weights", "`pair` names between", "informed against aware", "undefended shadows", "instead of once",
                  "another architecture", "poisoned rows the share that `snap` names"):  # fmt: skip
        assert sum(words in sentence for sentence in said) >= 1, words
    assert not any("nan" in sentence for sentence in said)


def test_what_was_not_run_is_not_spoken_of():
    frames = fake_tables.tables(tasks=("adult-sex",), victims=8)
    said = attacks.findings(frames["leakage"], frames["scores"])
    assert not any(
        word in " ".join(said) for word in ("weights", "pair`", "aware", "instead of once", "architecture", "snap")
    )


def test_the_table_has_a_row_an_attack_and_a_column_a_defence(full):
    text = attacks.table(full["leakage"])
    assert text.count("| sees | adversary |") == 2
    assert "| weights |" in text and "| the training rows |" in text
    row = full["leakage"].query(
        "task == 'adult-sex' and adversary == 'kl' and knowledge == 'informed' and protocol == 'pure'"
    )
    row = row[
        (row["defence"] == "none")
        & (row["poison"] == 0)
        & (row["repeats"] == 1)
        & (row["shadow_model"] == row["model"])
    ].iloc[0]
    assert (
        f"{100 * row['accuracy']:.0f}\u00a0% ({100 * row['accuracy_low']:.0f} to {100 * row['accuracy_high']:.0f})"
        in text
    )


def test_ratios_by_distance_from_one_half():
    pairs = tuple(("ratio", ratio, 0.5) for ratio in (0.0, 0.2, 0.8, 1.0))
    frames = fake_tables.tables(tasks=("adult-sex", "lsac-race"), pairs=pairs, victims=20)
    said = ratios.findings(frames["leakage"], frames["proxies"])
    near = [sentence for sentence in said if sentence.startswith("A ratio ")]
    assert [sentence.split()[2] for sentence in near] == ["0.3", "0.5"] and all(
        "of 4 cases" in sentence for sentence in near
    )
    best = frames["leakage"].query("adversary == 'best' and knowledge == 'informed' and defence == 'none'")
    above = best[best["ratio_0"].isin([0.2, 0.8])]["against_chance"].eq("above").sum()
    assert f"above chance in {above} of 4 cases" in near[0]
    assert any(
        sentence.startswith("Rank correlation") and "An attack that may be the best one" in sentence
        for sentence in said
    )


def test_the_table_of_many_ratios_gives_each_adversary():
    frames = fake_tables.tables(tasks=("adult-sex",), victims=8)
    text = ratios.table(frames["regression"])
    assert text.startswith("One ratio among 11") and text.count("| adult-sex |") == 4
    assert ratios.table(frames["regression"].iloc[:0]) == ""


@pytest.mark.parametrize(("main", "figures"), [("attacks", ("attacks", "poison")), ("ratios", ("ratios",))])
def test_figures_are_committed_beside_the_block(main, figures, full, tmp_path):
    tables = fake_tables.write(tmp_path / "tables", full)
    drawn = {name: figure.draw(name=name, tables=tables, tau=0.1, stem=tmp_path / name)[1] for name in figures}
    page, folder = tmp_path / "README.md", tmp_path / "results" / main
    page.write_text("\n".join(readme.markers(main)), encoding="utf-8")
    needed = {name: tables[name] for name in (*readme.NEEDED, *readme.KINDS[main].needs)}
    readme.write(
        title="t", tau=0.1, tables=needed, cards=[], absent=[], cautions=[], figures=drawn, folder=folder, readme=page
    )
    there = sorted(path.name for path in folder.iterdir())
    assert there == sorted(["block.md", *(f"{name}.{ending}" for name in figures for ending in ("csv", "png"))])
    assert (folder / f"{main}.csv").read_bytes() == (tmp_path / f"{main}.csv").read_bytes()
    assert f"({folder.as_posix()}/{main}.png)" in page.read_text(encoding="utf-8")


def test_an_experiment_without_a_main_figure_has_no_block():
    with pytest.raises(
        PopleakError, match=r"^config: figures: a block of results needs one of sensitivity, attacks, ratios, leakage"
    ):
        readme.main_figure(["gap", "roc"])
