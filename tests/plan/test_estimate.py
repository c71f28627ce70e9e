"""What a run will cost: costs scale with the machine, what is there costs nothing, text is readable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import tiny
from popleak.core.errors import PopleakError
from popleak.engine.fit import Chain, Table, Training, fit
from popleak.models.mlp import MLP
from popleak.plan import cost, estimate

SPEED = estimate.Speed(start=1.0, engine=1.0)


def by_name(plan, speed=SPEED):
    return {stage.name: stage for stage in estimate.stages(plan, speed)}


@pytest.fixture
def here(monkeypatch, tmp_path):
    """An empty folder, in which nothing of the plan is there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_jobs_and_models_of_a_fresh_run(here):
    plan = tiny.build()
    found = by_name(plan)
    assert sum(stage.jobs for stage in found.values()) == len(plan.all_steps())
    assert all(stage.there == 0 for stage in found.values())
    # 4 victims and 2 x 3 shadows in each of 2 worlds; two defences beside none
    assert found["train"].models == 20 and found["defend"].models == 40
    assert sum(stage.models for stage in found.values()) == 60
    assert all(stage.seconds >= cost.START[name] * stage.jobs for name, stage in found.items())


def test_what_is_there_costs_nothing(here):
    plan = tiny.build()
    for step in plan.steps["train"].values():
        for path in step.outputs.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
    train = by_name(plan)["train"]
    assert (train.jobs, train.there, train.models, train.seconds, train.mb) == (1, 1, 0, 0, 0)
    one = next(iter(plan.steps["defend"].values()))
    path = Path(next(iter(one.outputs.values())))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert not estimate.is_there(one), "one of its two files is missing"


def test_costs_scale_with_the_machine(here):
    plan = tiny.build()
    base, slow = by_name(plan), by_name(plan, estimate.Speed(start=2.0, engine=10.0))
    for name in ("draw", "attack", "tables"):
        assert slow[name].seconds == pytest.approx(2 * base[name].seconds)
    step = next(iter(plan.steps["train"].values()))
    assert slow["train"].seconds == pytest.approx(2 * cost.START["train"] + 10 * step.seconds)


def test_wall_time_on_more_cores(here):
    found = estimate.stages(tiny.build(), SPEED)
    walls = [estimate.wall_seconds(found, cores, SPEED) for cores in (1, 2, 4, 1000)]
    assert walls[0] > walls[1] >= walls[2] >= walls[3]
    assert walls[3] >= sum(stage.longest for stage in found), "stages follow each other"


def test_more_work_takes_longer(here):
    small = sum(stage.seconds for stage in estimate.stages(tiny.build(), SPEED))
    for more in (
        {"population": {"splits": 2, "victims": 40, "shadows": 30}},
        {"training": {"epochs": 2000, "batch": 32}},
        {"models": [{"name": "mlp", "settings": {"widths": [800, 800]}}]},
        {"defences": ["none", "finetune", "rehearsal", "scratch"]},
        {"attacks": ["loss", "kl", "meta"]},
    ):
        assert sum(stage.seconds for stage in estimate.stages(tiny.build(**more), SPEED)) > small, more


def test_lines(here):
    plan = tiny.build()
    text = estimate.lines(plan, SPEED, 2)
    assert text[0].split() == ["stage", "jobs", "there", "models", "re-used", "CPU", "disk"]
    assert [line.split()[0] for line in text[1:-1]] == [*(s.name for s in estimate.stages(plan, SPEED)), "all"]
    assert text[-1].startswith("about ") and "2 cores" in text[-1]
    for step in plan.all_steps():
        for path in step.outputs.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
    assert estimate.lines(plan, SPEED, 2)[-1].startswith("all files exist")


def test_models_that_are_trained_one_at_a_time_are_named(here, monkeypatch):
    assert not estimate.slower(tiny.build())
    monkeypatch.setattr(MLP, "sides", lambda *_: None)
    plan = tiny.build(models=["logistic", "mlp"])
    assert estimate.slower(plan) == {("no chain of Linear and ReLU", cost.OTHER): ["mlp"]}
    assert any(
        line.startswith("mlp: no chain of Linear and ReLU, trained one at a time")
        for line in estimate.lines(plan, SPEED, 2)
    )


def test_a_forced_backend_is_told_and_counted(here):
    usual, forced = tiny.build(), tiny.build(engine={"backend": "torch"})
    assert estimate.slower(forced) == {("engine.backend is torch", cost.CHAIN): ["mlp"]}
    assert any("mlp: engine.backend is torch, trained one at a time by torch, about 8 times" in line
               for line in estimate.lines(forced, SPEED, 2))  # fmt: skip
    cpu = [sum(step.seconds for step in plan.all_steps() if step.stage == "train") for plan in (usual, forced)]
    assert cpu[1] == pytest.approx(cost.CHAIN * cpu[0] + cost.TORCH)
    assert {step.id for step in usual.all_steps()} == {step.id for step in forced.all_steps()}, "it decides no result"


def test_a_backend_that_cannot_is_refused_by_the_plan(here, monkeypatch):
    with pytest.raises(
        PopleakError, match=r"model 'mlp': engine.backend: numba .*it runs on a CPU only.*set it to auto"
    ):
        tiny.build(engine={"backend": "numba", "device": "cuda"})
    monkeypatch.setattr(MLP, "sides", lambda *_: None)
    tiny.build()
    with pytest.raises(
        PopleakError, match=r"^config: tasks: \S+: model 'mlp': engine.backend: numba cannot train this model"
    ):
        tiny.build(engine={"backend": "numba"})


@pytest.mark.parametrize(
    ("sides", "wants", "expected"),
    [
        ((5, 3, 1), (), 1.0), ((5, 3, 1), ("weights",), cost.OBJECTIVE), ((5, 3, 4), (), cost.CHAIN),
        ((5, 3, 1), ("clip",), cost.CLIP), ((5, 3, 1), ("clip", "noise"), cost.PRIVATE), ((5, 3, 4), ("clip",), cost.CHAIN * cost.CLIPPED_CHAIN), (None, ("clip", "mask"), cost.OTHER * cost.CLIPPED),
    ],
)  # fmt: skip
def test_what_a_training_is_asked_for_has_its_price(sides, wants, expected):
    assert cost.factor(sides, wants=wants) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "-"), (9.6, "10 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (7200, "2.0 h")]
)
def test_durations(seconds, text):
    assert estimate.duration(seconds) == text


@pytest.mark.parametrize(("mb", "text"), [(0, "-"), (0.2, "1 MB"), (999, "999 MB"), (1500, "1.5 GB")])
def test_sizes(mb, text):
    assert estimate._size(mb) == text


def test_the_cost_of_training_is_near_what_it_takes():
    """Scaled by the calibration, other shapes than the calibrated one cost what is estimated, within a factor of 2.5."""
    import time

    speed = estimate.calibrate()
    assert speed.engine > 0 and speed.start > 0
    data = tiny.records()
    base = cost.Shape(800, 80, 6, (data.x.shape[1], 16, 1))
    for shape in (
        base,
        dataclasses.replace(base, sides=(data.x.shape[1], 96, 32, 1)),
        dataclasses.replace(base, batch=400),
    ):
        table = Table.of(data.x, data.y, data.a)
        rows = tiny.np.stack([tiny.np.arange(shape.rows) for _ in range(32)])
        training = Training(epochs=shape.epochs, batch=shape.batch, learning_rate=0.01, validation=0.0)
        took = []
        for _ in range(3):
            begin = time.process_time()
            fit(Chain(shape.sides), table, rows, tiny.np.arange(32), training)
            took.append(time.process_time() - begin)
        assert 0.4 < min(took) / (32 * shape.seconds() * speed.engine) < 2.5
