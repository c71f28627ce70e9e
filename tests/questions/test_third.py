"""A third question and a sixth access, added as a file each: planned, trained, defended, measured, attacked, drawn and reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

import tiny
import toys
import whole
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.worlds import World
from popleak.datasets.base import Cells
from popleak.plan import build as plan
from popleak.plan import sizes
from popleak.store import answers as stored
from popleak.store import arrays, records
from popleak.store import parquet as store
from popleak.store.populations import draws_of, of_role
from runs import copy, snakemake

TOYS = {
    "questions": {"label-rate": "toys.label_rate"},
    "access": {"rounded": "toys.rounded"},
    "attacks": {"kl-rounded": "toys.kl_rounded"},
}
EASY, SAME = (0.1, 0.9), (0.5, 0.5)
CONFIG = {
    "experiment": "third", "seed": 5,
    "tasks": [{"dataset": "synthetic", "rows": 120, "query_rows": 60, "options": {"rows": 3000}}],
    "worlds": [{"protocol": "label-rate", "ratios": list(EASY)}, {"protocol": "label-rate", "ratios": list(SAME)}],
    "models": [{"name": "mlp", "settings": {"widths": [8]}}], "defences": ["none", "fft"],
    "attacks": ["loss", "kl-rounded", "weights"], "knowledge": ["informed"],
    "population": {"splits": 2, "victims": 40, "shadows": 8}, "training": {"epochs": 10, "batch": 32},
    "figures": ["leakage", "gap", "roc"],
}  # fmt: skip


@pytest.fixture
def installed(monkeypatch):
    """The toys are plugins like any others, as entry points of another distribution would make them."""
    there = plugins.modules
    monkeypatch.setattr(plugins, "modules", lambda kind: {**there(kind), **TOYS.get(kind, {})})
    yield
    plugins.load.cache_clear()


def build(**changes) -> plan.Plan:
    return plan.build(config.load({**CONFIG, **changes}))


def shares(table: pd.DataFrame, **wanted) -> dict:
    """Return the share of victims whose world was named, by ratios and attack."""
    for name, value in wanted.items():
        table = table[table[name] == value]
    right = (table["guess"] == table["world"]).where(table["guess"] >= 0, 0.5).astype(float)
    return right.groupby([table["ratio_0"], table["ratio_1"], table["adversary"]]).mean().to_dict()


# Planned.


def test_it_is_planned_as_any_other_without_the_plan_knowing_it(installed):
    built = build()
    assert {one.settings.question for one in built.steps["attack"].values()} == {"label-rate"}
    worlds = {item.world for step in built.steps["draw"].values() for item in getattr(step.settings, "draws", ())}
    assert worlds == {"0.5y0.1#0", "0.5y0.9#0", "0.5y0.5#0", "0.5y0.5#1"}
    turned = {
        (item.world, item.from_world)
        for step in built.steps["draw"].values() if step.settings.purpose == "complement" for item in step.settings.draws
    }  # fmt: skip
    assert ("0.5y0.1#0", "0.5y0.9#0") in turned and ("0.5y0.5#0", "0.5y0.5#1") in turned
    assert "estimates" not in built.tables and {"scores", "leakage", "bounds"} <= built.tables.keys()
    code = {name for step in built.steps["attack"].values() for name in step.modules}
    assert {"toys.label_rate", "toys.rounded", "toys.kl_rounded"} <= code, "an edit of the files makes the steps anew"


def test_it_stands_beside_other_questions(installed):
    many = {"protocol": "k-ary", "ratios": [0, 0.5, 1]}
    built = build(worlds=[*CONFIG["worlds"], {"protocol": "pure"}, many], attacks=["kl", "kl-rounded"])
    found = {(one.settings.question, one.settings.attack) for one in built.steps["attack"].values()}
    assert found == {
        ("pair", "kl"), ("many", "kl"), ("label-rate", "kl"), ("pair", "kl-rounded"), ("label-rate", "kl-rounded"),
    }  # fmt: skip
    for step in built.steps["attack"].values():
        assert {pair.protocol for pair in step.settings.pairs} <= set(
            plugins.load("questions", step.settings.question).protocols
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"worlds": [{"protocol": "label-rate"}]}, r"worlds\.0: protocol label-rate has two label rates"),
        ({"worlds": [{"protocol": "label-rates"}]}, r"worlds\.0\.protocol: unknown: choose from equal, fairness-poisoning, k-ary, label-flipping, label-rate, "),
        ({"access": ["roundd"]}, r"access\.0: 'roundd' is unknown \(did you mean 'rounded'\?\): choose from labels, "),
        ({"access": ["rows"]}, r"access: \['rows'\] leaves no attack of task 0"),
        ({"tasks": [{**CONFIG["tasks"][0], "placebo": 2}]}, r"tasks\.0\.placebo: 2 asked for, but the task lacks worlds of protocol"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(installed, changes, message):
    with pytest.raises(PopleakError, match=f"^config: .*{message}") as refused:
        build(**changes)
    assert "\n" not in str(refused.value)


def test_rows_that_the_pools_cannot_give_are_refused_by_label_and_group(installed, monkeypatch):
    """A world in which four of five rows have label 1, and a complement beside it."""
    monkeypatch.setattr(sizes, "counted", lambda *_: Cells(((900, 900), (600, 600)), True))
    assert build()
    with pytest.raises(
        PopleakError,
        match=r"rows: 279 rows of group .* 0 with label 1 are asked for, and the victim pool holds 240: lower it to 533 at most",
    ):
        build(tasks=[{**CONFIG["tasks"][0], "rows": 620}], defences=["none"], attacks=["kl"])
    with pytest.raises(
        PopleakError,
        match=r"S_0 at the ratio 0\.5 and the label rate 0\.1 and a disjoint complement at 0\.5 and the label rate 0\.9",
    ):
        build(tasks=[{**CONFIG["tasks"][0], "rows": 490}])


def test_access_that_is_not_listed_leaves_attacks_out(installed):
    built = build(access=["weights", "rounded"])
    assert {one.settings.attack for one in built.steps["attack"].values()} == {"weights", "kl-rounded"}
    assert {one.settings.attack for one in build(access=None).steps["attack"].values()} == set(CONFIG["attacks"])


# Run.


@pytest.fixture
def ran(installed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = build()
    whole.run(built, "scores", "models", "leakage", "bounds")
    return built


def table(built: plan.Plan, name: str) -> pd.DataFrame:
    return store.read(built.tables[name].outputs["table"]).to_pandas()


def test_from_draws_to_tables(ran):
    """Draws have the worlds' label rates; far worlds are told apart, equal ones not; rows are in the public tables."""
    (base,) = [step for step in ran.steps["draw"].values() if step.settings.purpose == "base"]
    there = records.read(Path(base.inputs["data"][0]))
    for name in ("0.5y0.1#0", "0.5y0.9#0", "0.5y0.5#1"):
        _, rows = of_role(draws_of([Path(base.outputs["table"])], name, name), "victim", (0, 1))
        assert set((there.y[rows]).mean(1)) == {World.named(name).label_rate} and set(there.a[rows].mean(1)) == {0.5}
    (asked,) = [step for step in ran.steps["draw"].values() if step.settings.purpose == "query"]
    for points in stored.read_points(asked.outputs["table"], "label-rate 0.1 0.9").values():
        rates = [points.y[points.origin == b].mean() for b in (0, 1)]
        assert rates == pytest.approx(EASY, abs=0.03) and points.a[points.origin == 0].mean() == pytest.approx(
            0.5, abs=0.03
        )
    scores = table(ran, "scores")
    assert set(scores["protocol"]) == {"label-rate"} and set(scores["access"]) == {"labels", "rounded", "weights"}
    found = shares(scores, defence="none")
    for name in CONFIG["attacks"]:
        assert found[(*EASY, name)] > (0.75 if name == "loss" else 0.95), name
        assert abs(found[(*SAME, name)] - 0.5) < 4.5 * (0.25 / 80) ** 0.5, name
    leakage = table(ran, "leakage")
    easy = leakage[(leakage["ratio_0"] == EASY[0]) & (leakage["defence"] == "none")]
    assert {"best", *CONFIG["attacks"]} == set(easy["adversary"]) and (easy["accuracy"] > 0.75).all()
    assert set(leakage["n_leaked"].isna()) == {True} and set(leakage["family"]) == {"secondary"}
    candidates = leakage[leakage["adversary"] == "best"]
    assert set(candidates["access"]) == {"any"}
    bounds = table(ran, "bounds")
    assert bounds[bounds["ratio_0"] == EASY[0]]["beta"].to_numpy() == pytest.approx(0.8)
    assert bounds[bounds["ratio_0"] == SAME[0]]["gap"].abs().max() < 1e-12


def test_what_is_seen_is_rounded(ran):
    from popleak.threat.seen import Files, Source

    step = next(one for one in ran.steps["attack"].values() if one.settings.attack == "kl-rounded")
    answers = {name: [Path(path) for path in step.inputs[name]] for name in ("victims", "shadows")}
    files = Files(points=Path(step.inputs["points"][0]), **answers)
    source, access = Source(step.settings, 0, files), plugins.load("access", "rounded")
    kept = access.read(source, "victim", "none", 1, False)
    seen = access.outputs(kept, *map(lambda size: arrays.np.arange(size), kept.scores.shape))
    assert set((10 * seen).round(9).ravel()) <= set(range(11))
    assert source.game(plugins.load("attacks", "kl-rounded")).groups is False


@pytest.mark.dag
def test_from_config_to_report(tmp_path):
    """The files lie where the package's own do; nothing else is touched."""
    folder = copy(tmp_path)
    for kind, found in {"questions": "label_rate", "threat/access": "rounded", "attacks": "kl_rounded"}.items():
        shutil.copy(Path(toys.__file__).parent / f"{found}.py", folder / "workflow" / "popleak" / kind)
    worlds = [*CONFIG["worlds"], {"protocol": "pure"}]
    (folder / "third.yaml").write_text(
        yaml.safe_dump({**CONFIG, "worlds": worlds, "figures": [*CONFIG["figures"], "attacks"]})
    )
    snakemake(folder, "--cores", "2", "all", "--configfile", "third.yaml")
    results = folder / "results" / "third"
    found = store.read(results / "tables" / "leakage.parquet").to_pandas()
    assert set(found["protocol"]) == {"label-rate", "pure"} and "rounded" in set(found["access"])
    claims = store.read(results / "tables" / "claims.parquet").to_pandas()
    assert "label-rate" not in set(claims["protocol"].dropna()), "the paper speaks of groups alone"
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "label-rate: 0.1 vs 0.9" in page and "label-rate: 0.1 vs 0.9 (share of group 1)" not in page
    for name in (*CONFIG["figures"], "attacks"):
        assert (results / "figures" / f"{name}.png").stat().st_size > 0
    plotted = pd.read_csv(
        results / "figures" / "leakage.csv"
    )  # the others show one pair a task, pure before all others
    assert {"label-rate", "pure"} == set(plotted["protocol"])


def test_the_toys_are_one_file_each():
    for kind, found in TOYS.items():
        (module,) = found.values()
        assert (tiny.ROOT / "tests" / "helpers" / f"{module.replace('.', '/')}.py").is_file(), kind
