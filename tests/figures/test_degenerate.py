"""Every table, figure, report and page of results is made where models diverge, agree or are next to none."""

from __future__ import annotations

import html
import itertools
import re

import numpy as np
import pandas as pd
import pytest

import drawing
import fake_tables
import told
from popleak.report import build as report
from popleak.report import findings
from popleak.report import page as results
from popleak.stages import figures
from popleak.tables import claims, leakage, proxies
from popleak.tables._victims import MEASURES

pytestmark = pytest.mark.slow

TASK, ALL = "synthetic", fake_tables.DEFENCES
PAIRS = (("pure", 0.0, 1.0), ("ratio", 0.3, 0.5))
SETTINGS = {
    "tasks": [TASK], "searched": {}, "controls": {TASK: {"fft": "finetune", "fft-rehearsal": "rehearsal"}}, "datasets": {TASK: "acs-income"},
    "kinds": {TASK: {name: name for name in ALL}}, "references": {}, "white_box": {}, "data": {}, "tau": 0.1, "seed": 1, "margin": 0.05,
}  # fmt: skip
FIGURES = drawing.of_worlds()


def shape(victims=4, splits=5, gone=(), constant=False, same=(), lean=None, **more) -> dict[str, pd.DataFrame]:
    """Return public tables of a small experiment: gone, defences whose models all diverged; constant, every measure one value; same,
    (defence, other): the models of the one are those of the other; lean, a generator: scores drawn anew, some reversed."""
    found = fake_tables.tables(tasks=(TASK,), pairs=PAIRS, victims=victims, splits=splits, **more)
    found = {name: frame.copy() for name, frame in found.items()}
    models, bounds = found["models"], found["bounds"]
    scores = found["scores"] = found["scores"][found["scores"]["adversary"] != "best"].reset_index(drop=True)
    numbers = [
        name
        for name in bounds.select_dtypes("float")
        if name not in ("ratio_0", "ratio_1", "poison", "w", "beta", "small_cells")
    ]
    if constant:
        models[MEASURES], bounds[numbers], scores["score"], scores["guess"] = 0.2, 0.2, 0.5, 1
    strength = {name: lean.choice([0.0, 1.5, 6.0]) for name in ALL} if lean else {}
    games = scores.groupby(["protocol", "defence", "adversary", "knowledge"]).groups
    for (_, defence, adversary, _), game in games.items() if lean else ():
        push = strength[defence] * (-1.0 if adversary == "loss" else 1.0) * (scores.loc[game, "world"] - 0.5)
        scores.loc[game, "score"] = lean.normal(push)
        scores.loc[game, "guess"] = (scores.loc[game, "score"] > 0).astype(int)
    dead = models["defence"].isin(gone)
    models.loc[dead, "status"], models.loc[dead, MEASURES] = "diverged", np.nan
    bounds.loc[bounds["defence"].isin(gone), numbers] = np.nan
    for name in bounds.columns[bounds.columns.str.endswith(("_holds", "_literal"))].difference(numbers):
        bounds[name] = bounds[name].astype(object).where(~bounds["defence"].isin(gone), None)
    scores.loc[scores["defence"].isin(gone), ["score", "guess"]] = (0.5, 1)
    if same:
        for frame, columns in ((models, [*MEASURES, "eo_vacuous"]), (scores, ["score", "guess"])):
            mine, theirs = (frame.index[frame["defence"] == name] for name in same)
            frame.loc[mine, columns] = frame.loc[theirs, columns].to_numpy()
    judged = leakage.make(parts=[], tables=found, settings=told.table("leakage", SETTINGS)).to_pandas()
    found["leakage"] = judged
    inputs = {name: found[name] for name in ("models", "leakage", "bounds")}
    for name, module in (("claims", claims), ("proxies", proxies)):
        found[name] = module.make(parts=[], tables=inputs, settings=told.table(name, SETTINGS)).to_pandas()
    return found


SHAPES = {
    "a defence diverged": {"gone": ("fft",)},
    "rehearsal diverged": {"gone": ("fft-rehearsal", "rehearsal")},
    "all diverged": {"gone": ALL},
    "one split": {"splits": 1},
    "one victim a world": {"victims": 1, "splits": 2},
    "one victim a world, all diverged": {"victims": 1, "splits": 1, "gone": ALL},
    "every value one": {"constant": True},
    "the control's own models": {"same": ("fft-rehearsal", "rehearsal")},
}


@pytest.mark.parametrize("name", SHAPES)
def test_everything_is_made(name, tmp_path):
    frames = shape(**SHAPES[name])
    paths = fake_tables.write(tmp_path, frames)
    # a figure's files take a second: those of the default experiment, and all figures without files where most can go wrong
    asked = ("leakage", "gap")
    drawn = [(one, figures.draw(name=one, tables=paths, tau=0.1, stem=tmp_path / one)[1]) for one in asked]
    for one in FIGURES if name in ("all diverged", "one split") else ():
        drawing.rendered(one, frames)
    page = report.write(
        experiment={"experiment": "x"}, tables=paths, figures=drawn, cards=(), versions={}, output=tmp_path / "r.html"
    )
    block = results.block("leakage", tau=0.1, frames=frames, data=["d"], absent=[], cautions=[])
    text = html.unescape(
        re.sub(r"<script>.*|<style>.*?</style>|<[^>]+>", " ", page.read_text(encoding="utf-8"), flags=re.S)
    )
    for said in (text, block):
        assert not re.search(r"\bnan\b", said), re.search(r".{40}\bnan\b.{40}", said)
    wanted = {"C1", "C2", "C2s", "C3", "C4", "C5", "C6", "C7", "C8", "C9"}
    assert set(frames["claims"]["claim"]) == wanted, "no claim is lost"


@pytest.mark.parametrize(
    "name", [name for name in SHAPES if "victim" in name or "split" in name or name == "all diverged"]
)
def test_no_verdict_without_information(name):
    found = shape(**SHAPES[name])
    decided = found["claims"][found["claims"]["claim"] != "C8"]
    assert set(decided["verdict"]) <= {"cannot tell", "not applicable"}
    assert set(decided.loc[decided["verdict"] == "not applicable", "claim"]) <= {"C6"}, (
        "fft in pure worlds, whose EO term is vacuous"
    )
    for other in ("control", "none"):
        assert set(found["leakage"][f"verdict_vs_{other}"].dropna()) <= {"cannot tell", "not applicable"}


def test_a_page_does_not_call_diverged_models_safe():
    found = shape(gone=("fft-rehearsal",))
    line = next(line for line in findings.findings(found, tau=0.1) if line.startswith("Under fft-rehearsal"))
    assert "40 of 40 victims diverged" in line
    assert "fft-rehearsal" not in set(found["proxies"]["proxy"])
    assert found["proxies"].loc[found["proxies"]["scope"] == "all", "cells"].max() == 2 * (len(ALL) - 1)


@pytest.mark.parametrize("seed", range(8))
def test_a_page_cannot_contradict_itself(seed):
    """Table, sentence and claim say one thing of one difference; a mark stands wherever an accuracy is below chance."""
    rng = np.random.default_rng(seed)
    same = ("fft-rehearsal", "rehearsal") if seed % 4 == 3 else ()
    found = shape(victims=8, lean=rng, same=same)
    table, judged = found["leakage"], found["claims"]
    best = table[(table["adversary"] == "best") & (table["knowledge"] == "informed")]
    to_claim = {"lower": "holds", "higher": "fails"}
    expected = [to_claim.get(word, word) for word in best["verdict_vs_control"].dropna()]
    assert sorted(judged.loc[judged["claim"] == "C6", "verdict"]) == sorted(expected)
    for row in judged[judged["claim"] == "C6"].itertuples():
        if row.verdict in ("holds", "fails"):
            assert (row.high < 0) == (row.verdict == "holds") and (row.low > 0) == (row.verdict == "fails")
    assert judged["verdict"].isin(["holds", "fails", "no material difference", "cannot tell", "not applicable"]).all()
    tested = best[best["verdict_vs_control"].isin(["lower", "higher"])]
    assert (tested["p_vs_control_holm"] < 0.05).all()
    lines = findings.findings(found, tau=0.1)
    pure = best[(best["protocol"] == "pure") & (best["defence"] == "fft-rehearsal")].iloc[0]
    said = next(line for line in lines if "matched control" in line)
    counts = {word: int(word == pure["verdict_vs_control"]) for word in ("lower", "higher", "no material difference")}
    if pure["verdict_vs_control"] == "not applicable":
        assert "no difference to test" in said
    else:
        assert (
            f"of 1 task, lower in {counts['lower']}, higher in {counts['higher']}, not materially different (by less than 5 points) in "
            f"{counts['no material difference']} and undecided in {1 - sum(counts.values())}." in said
        )
    under = table[table["against_chance"] == "below"]
    assert len(under), "a generator without an adversary below chance shows nothing"
    counted = [line for line in lines if line.startswith("Below chance:")]
    others = table["defence"] != "scratch"  # which is counted by itself
    assert f"in {int(others[under.index].sum())} of {int(others.sum())} cells" in counted[0]
    assert ((table["accuracy_high"] < 0.5) == (table["against_chance"] == "below")).all()
    for row, line in itertools.product(best[best["protocol"] == "pure"].to_dict("records"), lines):
        if row["defence"] == "fft-rehearsal" and line.startswith("Under fft-rehearsal"):
            assert ("below chance)" in line) == (row["against_chance"] == "below")
    marked = [cell for row in findings.matrix(table)["rows"] for cell in row["cells"] if cell and cell["marks"]]
    assert len(marked) == (best["against_chance"] == "below").sum()
