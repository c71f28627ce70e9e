"""Placebos: the group column permuted, the task run once more, and what is said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import fake_tables
import own_tables
import placebo_coverage as benchmark
import tiny
import told
from popleak.cli import check
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import synthetic, synthetic_twin
from popleak.datasets.base import Cells
from popleak.figures._style import style
from popleak.plan import build as plan
from popleak.plan import estimate, sizes
from popleak.report import findings
from popleak.report import placebo as report_placebo
from popleak.stages import dataset
from popleak.store import parquet as store
from popleak.store import schema
from popleak.tables import placebo

pytestmark = pytest.mark.slow

TASK = {"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
POPULATION = {"splits": 2, "victims": 16, "shadows": 6}


def drawn(rows=400):
    options = synthetic.Options(rows=rows)
    return synthetic.PLUGIN.load(files={}, label="label", attribute="group", options=options, seed=5)


def permuted(records, number=1):
    return dataset.permuted(records, seed=3, key="some/task", number=number)


# The permutation.


def test_only_the_group_column_changes():
    before = dataclasses.replace(drawn(), subgroup=np.arange(400, dtype=np.int8) % 3)
    after = permuted(before)
    for name in ("x", "y", "subgroup", "cell", "features", "groups", "unit"):
        assert getattr(after, name) is getattr(before, name)
    assert (after.a != before.a).sum() > 100
    assert after.a.sum() == before.a.sum()
    assert after.a.dtype == before.a.dtype
    assert after.facts["group_rates"] == [before.y[after.a == group].mean() for group in (0, 1)]


def test_a_permutation_is_its_number():
    one, same, other = (permuted(drawn(), number).a for number in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_it_is_uniform_over_rows():
    """Each row is of group 1 as often as any other: 2,000 permutations of 20 rows, standard error 1.1 points."""
    a = np.arange(20) < 8
    records = dataclasses.replace(drawn(), a=a.astype(np.int8), y=(np.arange(20) % 2).astype(np.int8))
    often = np.mean([permuted(records, number).a for number in range(2000)], axis=0)
    assert abs(often - 0.4).max() < 0.05


def test_rows_of_one_person_stay_in_one_group():
    """People of one, two and three rows, in any order: their rows go to another group together, and sizes keep their groups."""
    unit = np.repeat(np.arange(60), np.arange(60) % 3 + 1)
    order = np.random.default_rng(1).permutation(len(unit))
    unit = unit[order] + 1000
    a = (np.random.default_rng(2).random(60) < 0.4).astype(np.int8)[unit - 1000]
    records = dataclasses.replace(drawn(), unit=unit, a=a, y=drawn().y[: len(unit)])
    after = permuted(records)
    people = pd.DataFrame({"unit": unit, "a": after.a, "before": a}).groupby("unit").agg(["min", "max", "size"])
    assert (people["a"]["min"] == people["a"]["max"]).all()
    assert (people["a"]["max"] != people["before"]["max"]).any()
    for _, size in people.groupby(people["a"]["size"]):
        assert size["a"]["max"].sum() == size["before"]["max"].sum()


def test_units_that_hold_both_groups_keep_both():
    twin = synthetic_twin.PLUGIN
    before = twin.load(files={}, label="label", attribute="group", options=twin.Settings(rows=200), seed=1)
    after = permuted(before)
    assert (np.bincount(before.unit, after.a) == 1).all()
    assert (after.a != before.a).any()


# The plan.


def planned(*tasks, **changes):
    return tiny.build(tasks=list(tasks), **{"population": POPULATION, **changes})


def test_no_other_step_changes_its_id():
    other = {**TASK, "id": "other", "options": {"rows": 900}}
    without, with_it = planned(TASK, other), planned({**TASK, "placebo": 2}, other)
    for stage in plan.STAGES[: plan.STAGES.index("figures")]:  # the figure and the report show the placebos
        assert without.steps[stage].keys() <= with_it.steps[stage].keys(), stage
    assert planned({**TASK, "placebo": 0}, other).tables == without.tables


def test_placebos_are_undefended_and_judged_apart():
    built = planned({**TASK, "placebo": 2}, worlds=["pure", {"protocol": "ratio", "ratios": [0.3, 0.5]}, "equal"])
    new = {stage: [step for name, step in steps.items() if "-placebo" in name] for stage, steps in built.steps.items()}
    assert [len(new[stage]) for stage in ("dataset", "split", "draw", "train", "query")] == [2, 2, 4, 2, 2]
    assert len(new["attack"]) == 2 * 2
    assert not new["defend"] and not new["measure"]
    assert {pair.protocol for step in new["attack"] for pair in step.settings.pairs} == {"pure", "ratio"}
    assert all(step.settings.defences == ("none",) for step in new["attack"])
    theirs = {path for step in new["attack"] for path in step.outputs.values()}
    readers = {
        step.id.partition("-")[0]
        for step in built.steps["tables"].values()
        if theirs & set(step.inputs.get("parts", ()))
    }
    assert readers == {"placebo"}
    assert len(built.report.inputs["cards"]) == 1
    models = sum(step.models for step in new["train"])
    assert models == 2 * 4 * (16 + 2 * 6)
    assert (
        f"{models + sum(s.models for s in planned(TASK, worlds=['pure', {'protocol': 'ratio', 'ratios': [0.3, 0.5]}, 'equal']).all_steps() if s.stage in ('train', 'defend')):,} models"
        in built.describe()
    )


def test_the_plan_says_what_placebos_cost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    speed = estimate.Speed(1.0, 1.0)
    (said,) = [line for line in estimate.lines(planned({**TASK, "placebo": 2}), speed, 2) if "placebos" in line]
    models = 2 * 2 * (16 + 2 * 6)
    jobs = 2 * (1 + 1 + 2 + 1 + 1 + 2)  # dataset, split, base and query, train, query, two attacks
    assert said.startswith(f"of these for placebos: {jobs} jobs, {models} models, ")
    assert not [line for line in estimate.lines(planned(TASK), speed, 2) if "placebos" in line]


def test_what_auto_takes(tmp_path):
    assert planned(TASK).tasks[0].placebo == 0
    path = own_tables.put(tmp_path, own_tables.people(600))
    table = {
        "dataset": "table",
        "rows": "auto",
        "query_rows": "auto",
        "options": {"path": str(path), **own_tables.LOANS},
    }
    built = planned(table)
    assert built.tasks[0].placebo == config.PLACEBOS
    copies = built.tasks[0].placebos()
    assert [(copy.rows, copy.query_rows) for copy in copies] == 3 * [(built.tasks[0].rows, built.tasks[0].query_rows)]
    assert planned(table, worlds=["equal"]).tasks[0].placebo == 0
    assert planned({**table, "placebo": 0}).tables.keys() == planned(TASK).tables.keys()


def test_refused_where_it_could_show_nothing():
    with pytest.raises(
        PopleakError, match=r"tasks\.0\.placebo: 2 asked for, but the task lacks worlds of protocol pure or ratio"
    ):
        planned({**TASK, "placebo": 2, "worlds": ["equal"]})
    with pytest.raises(
        PopleakError, match=r"tasks\.0\.placebo: 2 asked for, but the task lacks an attack that needs no defence"
    ):
        planned({**TASK, "placebo": 2}, attacks=["pair"])
    with pytest.raises(PopleakError, match=r"placebo"):
        planned({**TASK, "placebo": -1})


# The way through the stages.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two permutations of a generated table, run through all stages, in two folders: rows of the table `placebo`."""
    tables = []
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path_factory.mktemp("run"))
            built = planned({**TASK, "placebo": 2}, knowledge=["informed"])
            tables.append(benchmark.judged(built))
    return tables


def test_equal_configs_give_equal_rows(run):
    pd.testing.assert_frame_equal(*run)


def test_a_row_a_permutation_and_adversary(run):
    rows = run[0]
    assert sorted(zip(rows["permutation"], rows["adversary"], strict=True)) == [
        (i, name) for i in (1, 2) for name in ("best", "kl", "loss")
    ]
    assert (rows["task"] == "synthetic-group").all()
    assert (rows["victims"] == 2 * 16).all() and (rows["splits"] == 2).all()
    assert rows["accuracy"].between(0, 1).all() and rows["accuracy_low"].le(rows["accuracy"]).all()


def test_the_same_permutation_with_other_splits(tmp_path, monkeypatch):
    """What the benchmark compares: the records are the same, the splits are not."""
    monkeypatch.chdir(tmp_path)
    first, again = (planned({**TASK, "placebo": 1}, seed=seed) for seed in (3, 4))
    benchmark.judged(first)
    benchmark.judged(again, benchmark.permutations(first))
    one, other = (
        [store.read(path).to_pandas() for path in sorted((tmp_path / "results/store" / stage).glob("*placebo1-*"))]
        for stage in ("dataset", "split")
    )
    assert one[0]["a"].equals(one[1]["a"])
    assert not other[0]["pool_0"].equals(other[1]["pool_0"])


# The table and what is said of it.


def verdicts_of(folder, accuracies, cells=4):
    """Write verdicts of two adversaries on placebos 1, 2, ... of task t, right this often in each of `cells` splits of 20 victims."""
    made = []
    for number, accuracy in enumerate(accuracies, 1):
        right = np.arange(20) < round(20 * accuracy)
        split, world = np.repeat(np.arange(cells), 20), np.tile(np.arange(20) % 2, cells)
        guess = np.where(np.tile(right, cells), world, 1 - world)
        part = {
            "task": f"t-placebo-{number}", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0,
            "defence": "none", "access": "scores", "knowledge": "informed", "shadow_model": "mlp", "repeats": 1, "split": split,
            "world": world, "model_index": np.tile(np.arange(20) // 2, cells), "score": guess - 0.5, "guess": guess, "known_ceiling": np.nan,
        }  # fmt: skip
        path = folder / f"{number}.parquet"
        facts = store.provenance(stage="attack", step=path.stem, settings={}, code="test", inputs=())
        both = [{**part, "adversary": name} for name in ("kl", "meta")]
        store.write(path, schema.table("scores", both), facts)
        made.append(path)
    return made


def frames(folder, accuracies, own):
    leakage = pd.DataFrame(
        [
            {
                "task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0, "defence": "none",
                "adversary": name, "access": access, "knowledge": "informed", "shadow_model": "mlp", "repeats": 1, "accuracy": own,
                "accuracy_low": own - 0.05, "accuracy_high": own + 0.05, "against_chance": "above",
            }
            for name, access in (("kl", "scores"), ("meta", "scores"), ("best", "any"))
        ]
    )  # fmt: skip
    settings = {
        "copies": {f"t-placebo-{i}": {"task": "t", "permutation": i} for i in range(1, len(accuracies) + 1)}, "references": {}, "white_box": {},
    }  # fmt: skip
    parts = verdicts_of(folder, accuracies)
    return {
        "placebo": placebo.make(
            parts=parts, tables={"leakage": leakage}, settings=told.table("placebo", settings)
        ).to_pandas()
    }


def test_the_row_of_all_sums_up(tmp_path):
    made = frames(tmp_path, (0.5, 0.7, 0.3), 0.9)["placebo"]
    assert list(made["adversary"].drop_duplicates()) == ["kl", "meta", "best"]
    each, every = (
        made[(made["adversary"] == "kl") & part] for part in (made["permutation"].notna(), made["permutation"].isna())
    )
    assert list(each["accuracy"]) == [0.5, 0.7, 0.3]
    assert list(each["against_chance"]) == ["cannot tell", "above", "below"]
    (row,) = every.to_dict("records")
    assert row["accuracy"] == pytest.approx(0.5)
    assert (row["lowest"], row["highest"], row["sd"]) == (0.3, 0.7, pytest.approx(0.2))
    assert (row["permutations"], row["away_from_chance"], row["victims"]) == (3, 2, 240)
    assert (row["task_accuracy"], row["task_against_chance"]) == (0.9, "above")
    assert pd.isna(row["accuracy_low"]) and pd.isna(each["task_accuracy"]).all()


def test_a_random_group_column_is_said_to_be_one(tmp_path):
    """A table's own 67 %, which its placebos reach as well."""
    found = frames(tmp_path, (0.7, 0.5, 0.3), 0.67)
    (said,) = report_placebo.findings(found)
    assert "on t 70.0 % [" in said.replace("\u00a0", " ") and "which is no farther from 50 %" in said
    (warning,) = report_placebo.warnings(found)
    assert warning.startswith("t: 2 of 3 placebo intervals (95 %) exclude 50 %")
    assert "own 67.0 % (pure: 0 vs 1) is no farther from 50 % than that" in warning.replace("\u00a0", " ")


def test_an_accuracy_on_the_other_side_is_no_farther(tmp_path):
    """30 % is as far from 50 % as 70 %: both are shares of 80 victims, and floating point must not decide."""
    found = frames(tmp_path, (0.7, 0.7, 0.7), 0.3)
    assert "which is no farther from 50 %" in report_placebo.findings(found)[0]
    assert "is no farther from 50 % than that" in report_placebo.warnings(found)[0]


def test_a_warning_quotes_the_pair_that_is_farthest(tmp_path):
    """The intervals of all pairs are counted, so the value is of all pairs too, and says of which the task's own is."""
    found = frames(tmp_path, (0.5,), 0.9)
    main = found["placebo"]
    for middle in (0.4, 0.6):
        other = main.assign(protocol="ratio", ratio_0=0.3, ratio_1=middle, accuracy=0.8, against_chance="above")
        found["placebo"] = pd.concat([found["placebo"], other], ignore_index=True)
    (warning,) = report_placebo.warnings(found)
    text = warning.replace("\u00a0", " ")
    assert text.startswith(
        "t: 2 of 3 placebo intervals (95 %) exclude 50 %, over 3 pairs of worlds, treated as independent"
    )
    assert "an accuracy as far from 50 % as 80.0 %" in text and "own 90.0 % (pure: 0 vs 1) is farther from 50 %" in text


@pytest.mark.parametrize(
    ("accuracies", "warned"), [((0.5, 0.5, 0.5), 0), ((0.7, 0.5, 0.5), 0), ((0.7, 0.7, 0.5), 1), ((0.7,), 0)]
)
def test_a_warning_needs_more_than_chance(tmp_path, accuracies, warned):
    found = frames(tmp_path, accuracies, 0.95)
    assert len(report_placebo.warnings(found)) == warned
    (said,) = report_placebo.findings(found)
    assert "compared with 95.0 % with the real groups" in said.replace("\u00a0", " ")
    assert "no farther" not in said


def test_nothing_is_said_without_placebos():
    assert report_placebo.findings({}) == report_placebo.warnings({}) == []


def test_the_report_says_it_beside_the_result(tmp_path):
    tables = fake_tables.tables(tasks=("adult-sex",), victims=8)
    lines = findings.findings({**tables, **frames(tmp_path, (0.7, 0.7, 0.5), 0.95)}, tau=0.1)
    at = next(i for i, line in enumerate(lines) if line.startswith("Placebo"))
    assert lines[at - 1].startswith(
        "The best informed adversary names the training world of undefended victims this often"
    )


def test_the_figure_shows_the_range_of_best_beside_undefended_models():
    tables = fake_tables.tables(tasks=("adult-sex",), victims=8)
    figure = plugins.load("figures", "leakage")
    with style():
        drawn, plotted = figure.draw({name: tables[name] for name in ("leakage", "placebo")}, tau=0.1)
        bars = [
            [bar.get_x(), bar.get_x() + bar.get_width()]
            for panel in drawn.axes
            for bar in panel.patches
            if bar.get_height() == 0.9
        ]
        without, _ = figure.draw({"leakage": tables["leakage"]}, tau=0.1)
    differing = plotted[
        (plotted["protocol"] != "equal") & (plotted["defence"] == "none") & (plotted["adversary"] == "best")
    ]
    assert bars == [pytest.approx([0.47, 0.55])] * len(differing)
    assert (differing["placebo_lowest"] == 0.47).all() and (differing["placebo_highest"] == 0.55).all()
    assert plotted[plotted["defence"] != "none"]["placebo_lowest"].isna().all()
    said = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert "best, groups permuted" in said
    assert "best, groups permuted" not in [text.get_text() for text in without.legends[0].get_texts()]


def test_the_figure_reads_placebos_where_there_are_some():
    assert "placebo" in planned({**TASK, "placebo": 1}).figures["leakage"].inputs
    assert set(planned(TASK).figures["leakage"].inputs) == {"leakage"}


# Draws that take much of a pool.


def crowded(rows, **changes):
    experiment = config.load(tiny.raw(tasks=[{**TASK, "rows": rows, **changes}], population=POPULATION))
    return sizes.crowded(config.resolve(experiment)[0], Cells(((900, 300), (600, 200)), True))


def test_a_draw_that_takes_much_of_a_pool_is_said():
    """Group 1 has 500 rows, 200 of them in a pool; a draw of the world 1 takes `rows` of them."""
    assert crowded(80) == ""
    said = crowded(100)
    assert (
        "if P(a = 1) is 1, a draw takes 50 % of the rows of group group 1 in the victim pool (100 of about 200)" in said
    )
    assert "lower `rows` to 80, or compare it with placebos (`placebo: 3`)" in said
    assert "with its 2 placebos" in crowded(100, placebo=2)


def test_label_balanced_draws_are_counted_by_label():
    experiment = config.load(tiny.raw(tasks=[{**TASK, "rows": 60}], population=POPULATION, ratio_mode="label-balanced"))
    said = sizes.crowded(config.resolve(experiment)[0], Cells(((950, 250), (550, 250)), True))
    assert said == ""
    said = sizes.crowded(config.resolve(experiment)[0], Cells(((750, 450), (750, 50)), True))
    assert "of group group 1 with label 1" in said


def test_the_plan_the_check_and_the_report_say_it(tmp_path):
    path = own_tables.put(tmp_path, own_tables.people(600))
    task = {
        "dataset": "table",
        "id": "loans",
        "rows": 80,
        "query_rows": 20,
        "options": {"path": str(path), **own_tables.LOANS},
    }
    built = planned(task)
    (line,) = built.notices()
    assert line.startswith("caution: loans: if P(a = 1) is ")
    assert built.report.settings.cautions == (line.removeprefix("caution: "),)
    assert any("look at rows: if P(a = 1)" in said for said in check.run(built.experiment))
    assert planned({**task, "rows": 20}).notices() == []


def test_a_table_is_remarked_on_once_and_not_by_each_placebo(tmp_path, capsys):
    path = own_tables.put(tmp_path, own_tables.people(600))
    task = {
        "dataset": "table",
        "id": "loans",
        "rows": 20,
        "query_rows": 20,
        "placebo": 2,
        "options": {"path": str(path), **own_tables.LOANS},
    }
    steps = planned(task).steps["dataset"].values()
    assert len(steps) == 3
    for step in steps:
        tiny.run_stage(step, tmp_path)
    assert capsys.readouterr().err.count("separator ','") == 1


# The benchmark.


def test_the_page_is_that_of_the_committed_table():
    assert benchmark.block(pd.read_csv(benchmark.OUTPUT)) in benchmark.PAGE.read_text(encoding="utf-8")


def test_the_page_counts_intervals_and_pairs():
    """Of four permutations one leaves out 50 %; of the three that were run twice one differs from itself beyond its intervals."""
    rows = [
        ("first", 1, 0.6, 0.55, 0.65, "above"), ("first", 2, 0.5, 0.4, 0.6, "cannot tell"),
        ("first", 3, 0.55, 0.45, 0.65, "cannot tell"), ("first", 4, 0.45, 0.3, 0.6, "cannot tell"),
        ("again", 1, 0.62, 0.57, 0.67, "above"), ("again", 2, 0.7, 0.6, 0.8, "above"), ("again", 3, 0.52, 0.42, 0.62, "cannot tell"),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["run", "permutation", *benchmark.KEPT]).assign(
        table="compas", share=0.3, rows=10, adversary="kl"
    )
    said = benchmark.block(frame)
    assert "| compas | 0.3 | 10 | kl | 75.0 [19, 99] | 1, 0 of 4 | 0.450, 0.600 |" in said
    assert "differ beyond their intervals in 1 of 3 pairs" in said
