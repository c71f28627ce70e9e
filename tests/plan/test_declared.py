"""What a defence declares, the plan knows before any job: public rows, what torch must train, what cannot be."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import tiny
from bench import Bench
from own_tables import LOANS, people, put
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import generator
from popleak.plan import cost, estimate
from popleak.stages import split
from popleak.store import parquet as store
from popleak.store.populations import draws_of, of_role
from popleak.store.populations import read as read_models

TEACH = ["none", "finetune", "distillation"]


def pools_step(built):
    (step,) = built.steps["split"].values()
    return step


# The public pool.


def test_only_a_task_that_needs_one_has_a_public_pool():
    without, with_it = tiny.build(), tiny.build(defences=TEACH)
    assert "public_share" not in pools_step(without).settings.plain()
    assert pools_step(with_it).settings.public_share == 0.1
    assert not [step for step in without.steps["draw"].values() if step.settings.purpose == "public"]
    for built in (without, with_it):
        for step in built.steps["defend"].values():
            assert bool(step.inputs["public"]) == (step.settings.defence == "distillation")


def test_another_share_changes_nothing_without_such_a_defence():
    usual = tiny.raw()["population"]
    one, other = tiny.build(), tiny.build(population={**usual, "public_share": 0.15})
    names = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "tables")
    assert all(list(one.steps[name]) == list(other.steps[name]) for name in names)
    one, other = (tiny.build(defences=TEACH, population={**usual, "public_share": share}) for share in (0.1, 0.15))
    (mine,), (theirs,) = (
        [step.id.split("-")[-2] for step in built.steps["defend"].values() if step.settings.defence == "distillation"]
        for built in (one, other)
    )
    assert mine != theirs, "other rows are public: no model of the one is one of the other"


def test_the_other_pools_stay_as_they_are():
    rng = np.random.default_rng(0)
    y, a, unit = rng.integers(0, 2, 900), rng.integers(0, 2, 900), rng.integers(0, 700, 900)
    without, with_it = (split.assign(y, a, unit, (0.4, 0.35), generator("split"), share) for share in (0.0, 0.1))
    public = split.POOLS.index("public")
    assert np.array_equal(with_it == public, (with_it != without))
    assert set(without[with_it == public]) == {split.POOLS.index("query")}
    assert 0.08 < (with_it == public).mean() < 0.12
    owner = {}
    for one, pool in zip(unit, with_it, strict=True):
        assert owner.setdefault(one, pool) == pool, "a unit is in one pool"


def test_public_rows_are_of_no_other_pool_and_the_same_whatever_is_poisoned(tmp_path):
    built = tiny.build(defences=TEACH, poison={"shares": [0, 0.1]}, attacks=["loss", "kl"])
    for stage in ("dataset", "split", "draw"):
        for step in built.steps[stage].values():
            tiny.run_stage(step, tmp_path)
    pools = split.read(tmp_path / pools_step(built).outputs["table"])
    (step,) = (one for one in built.steps["draw"].values() if one.settings.purpose == "public")
    rows = {}
    for item in step.settings.draws:
        for role in ("victim", "shadow"):
            keys, rows[item.world, role] = of_role(
                draws_of([tmp_path / step.outputs["table"]], item.world, item.world), role, (0, 1)
            )
            for number, row in zip(keys["split"], rows[item.world, role], strict=True):
                assert len(set(row)) == 60 == len(row)
                assert set(pools[number][row]) == {split.POOLS.index("public")}
    for (world, role), found in rows.items():
        assert np.array_equal(found, rows[world.partition("!")[0], role])
    assert len({row.tobytes() for found in rows.values() for row in found}) == 2 * (4 + 6), "each model has its own"


def loans(folder, rows, count=500) -> dict:
    """A task on a user's own table of so many records."""
    path = put(folder, people(count))
    return {"dataset": "table", "rows": rows, "query_rows": 15, "placebo": 0, "options": {"path": str(path), **LOANS}}


def test_a_public_pool_that_is_too_small_is_refused_before_any_job(tmp_path):
    with pytest.raises(PopleakError) as error:
        tiny.build(defences=TEACH, tasks=[loans(tmp_path, 60)])
    assert re.fullmatch(
        r"config: tasks: table-custom: rows: 60 rows are asked for by a defence that trains on public rows, and the public pool holds 5\d: "
        r"lower it to 4\d at most, or give the pool a larger share \(population\)",
        str(error.value),
    )
    tiny.build(defences=TEACH, tasks=[loans(tmp_path, 45)])
    tiny.build(tasks=[loans(tmp_path, 60)])
    made = tiny.build(defences=TEACH)  # of a generated table the plan knows no counts: the stage sees to it
    for stage in ("dataset", "split"):
        for step in made.steps[stage].values():
            tiny.run_stage(step, tmp_path)
    (step,) = (one for one in made.steps["draw"].values() if one.settings.purpose == "public")
    with pytest.raises(
        PopleakError, match=r"public pool: 600 rows are asked for, but the pool holds \d+: lower .*public_share$"
    ):
        tiny.run_stage(dataclasses.replace(step, settings=dataclasses.replace(step.settings, rows=600)), tmp_path)


def test_shares_that_leave_nothing_to_query_are_refused_in_one_line():
    population = {**tiny.raw()["population"], "victim_share": 0.5, "adversary_share": 0.4}
    tiny.build(population=population)
    with pytest.raises(
        PopleakError,
        match=r"^config: population\.public_share: defence 'distillation' of tasks\.0 needs .* make their sum less than 1$",
    ):
        tiny.build(population=population, defences=TEACH)


def test_rows_auto_counts_public_rows(tmp_path):
    task = loans(tmp_path, "auto", 4000)
    rows = [tiny.build(defences=names, tasks=[task]).tasks[0].rows for names in (TEACH, ["none", "finetune"])]
    assert rows[0] <= 200 < rows[1], "half of what the public pool gives one draw"


def test_placebos_have_the_pools_of_their_task():
    task = {**tiny.raw()["tasks"][0], "placebo": 2}
    built = tiny.build(defences=TEACH, tasks=[task])
    assert {step.settings.public_share for step in built.steps["split"].values()} == {0.1}
    assert len(built.steps["split"]) == 3
    purposes = [step.settings.purpose for step in built.steps["draw"].values()]
    assert purposes.count("public") == 1, "nobody trains on public rows there"


# What torch trains.

IMAGE = {"id": "image", "dataset": "synthetic-images", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
NETS = {"tasks": [IMAGE], "models": ["cnn"], "attacks": ["kl"]}


@pytest.mark.parametrize(
    ("defence", "reason"),
    [
        ("label-noise", "targets other than the records' labels"),
        ("last-layer", "a mask of trained weights"),
        ("distillation", "targets other than the records' labels"),
    ],
)
def test_numba_alone_is_refused_before_any_job_and_told_by_name(defence, reason):
    names = ["none", "finetune", "threshold-optimizer"]
    with pytest.raises(PopleakError) as error:
        tiny.build(defences=["none", defence], engine={"backend": "numba"}, **NETS)
    assert str(error.value) == (
        f"config: tasks: image: defence {defence!r} of model 'cnn': engine.backend: numba cannot train this model ({reason}): "
        f"set it to auto"
    )
    tiny.build(defences=names, engine={"backend": "numba"}, **NETS)
    tiny.build(defences=[*names, defence], engine={"backend": "numba"})  # of chains the compiled loops train all


def test_the_estimate_tells_what_torch_costs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = tiny.build(defences=["none", "finetune", "label-noise", "last-layer", "answer-noise"])
    seconds = {step.settings.defence: step.seconds for step in built.steps["defend"].values()}
    assert seconds["label-noise"] == pytest.approx(cost.OBJECTIVE * seconds["finetune"], rel=0.05)
    assert seconds["answer-noise"] == pytest.approx(20 * 1e-4), "it trains nothing"
    assert not estimate.slower(built), "the compiled loops do all of it"
    assert estimate.slower(tiny.build(defences=["none", "label-noise", "last-layer"], **NETS)) == {
        ("targets other than the records' labels", cost.CONVNET): ["label-noise"],
        ("a mask of trained weights", cost.CONVNET): ["last-layer"],
    }
    by_torch = tiny.build(defences=["none", "label-noise"], engine={"backend": "torch"})
    assert estimate.slower(by_torch) == {("engine.backend is torch", cost.CHAIN): ["mlp"]}, "no slower than the model"


def test_a_defence_of_another_number_of_classes_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(type(plugins.load("defences", "threshold-optimizer")), "classes", 3)
    with pytest.raises(PopleakError) as error:
        tiny.build(defences=["none", "threshold-optimizer"])
    assert str(error.value) == (
        "config: tasks: synthetic-group: defence 'threshold-optimizer' is for labels of 3 classes, and that of dataset synthetic has 2: "
        "leave it out, or give the task its own `defences`"
    )


# The state, in the store.


def states(built, bench):
    found = {}
    for step in built.steps["defend"].values():
        for world, other in step.settings.made:
            for role, path in step.outputs.items():
                found[step.settings.defence, world, role] = read_models(
                    [bench.folder / path], world=world, from_world=other
                )
    return found


def test_a_state_is_kept_with_its_model_and_re_used_with_it(tmp_path, monkeypatch, capsys):
    names = ["none", "finetune", "threshold-optimizer"]
    bench = Bench(tmp_path, monkeypatch, capsys)
    built = tiny.build(defences=names)
    bench.run(built)
    before = states(built, bench)
    assert {found.state.shape[1] for (name, _, _), found in before.items() if name != "finetune"} == {10}
    for (name, _, _), found in before.items():
        assert len(found.state) == len(found.weights) and np.isfinite(found.state).all()
        if name == "finetune":
            assert found.state.shape[1] == 0
    for step in built.steps["defend"].values():
        for path in step.outputs.values():
            columns = store.read(bench.folder / path).column_names
            assert ("state" in columns) == (step.settings.defence == "threshold-optimizer")
    more = tiny.build(defences=names, population={"splits": 2, "victims": 6, "shadows": 3})
    assert "re-used" in bench.run(more)
    after = states(more, bench)
    for key, found in before.items():
        place = {seed: k for k, seed in enumerate(after[key].keys["seed"])}
        chosen = [place[seed] for seed in found.keys["seed"]]
        assert np.array_equal(after[key].state[chosen], found.state)
        assert np.array_equal(after[key].weights[chosen], found.weights)
