"""Models that the store holds are copied and not trained again: the files are the same bytes, and the plan tells how many."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest

import tiny
from bench import Bench
from popleak.config import resolve as config
from popleak.core import plugins, provenance
from popleak.core.settings import canonical
from popleak.engine.fit import Training
from popleak.plan import build as plan
from popleak.plan import estimate, stock
from popleak.stages import _fitter, train
from popleak.steps.train import TrainStep
from popleak.store import parquet as store
from popleak.store import reuse

pytestmark = pytest.mark.slow

RATIO = [{"protocol": "ratio", "ratios": [0.3, 0.5]}]
MORE = [*RATIO, {"protocol": "ratio", "ratios": [0.3, 0.7]}]
POPULATION = tiny.raw()["population"]
DEFENCES = ["none", "finetune", {"name": "fft", "settings": {"eo_weight": "auto", "eo_grid": [0.5, 4.0]}}]
SPEED = estimate.Speed(start=1.0, engine=1.0)


def build(**changes) -> plan.Plan:
    return tiny.build(**{"worlds": RATIO, "defences": DEFENCES, **changes})


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    return Bench(tmp_path / "one", monkeypatch, capsys)


def files(built: plan.Plan, folder) -> dict[str, str]:
    """Return the digest of every file of models."""
    paths = [
        path for stage in ("train", "defend") for step in built.steps[stage].values() for path in step.outputs.values()
    ]
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}


def told(said: str) -> int:
    """Return how many models the jobs say they re-used."""
    return sum(
        int(count) for count in re.findall(r"^popleak: re-used (\d+) of \d+ models from \d+ files?$", said, re.M)
    )


def foreseen(built: plan.Plan) -> dict[str, tuple[int, int]]:
    """Return for train and defend the models that the plan says will be trained, and copied."""
    return {
        one.name: (one.models, one.reused) for one in estimate.stages(built, SPEED) if one.name in ("train", "defend")
    }


TIGHT = {"engine": {"job_seconds": 1e-9}}
ONE = {**TIGHT, "population": {**POPULATION, "splits": 1}}
CASES = {  # before, now, base models and defended models that are there
    "more victims": ({}, {"population": {**POPULATION, "victims": 6}}, 20, 40),
    "fewer victims": ({}, {"population": {**POPULATION, "victims": 2}}, 16, 32),
    "more shadows": ({}, {"population": {**POPULATION, "shadows": 5}}, 20, 40),
    "more splits": ({}, {"population": {**POPULATION, "splits": 3, "victims": 6}}, 20, 40),
    "more of all": ({}, {"population": {"splits": 3, "victims": 9, "shadows": 4}}, 20, 40),
    "a subset of worlds": ({"worlds": MORE}, {}, 20, 40),
    "a superset of worlds": ({}, {"worlds": MORE}, 20, 40),
    "smaller jobs": ({"worlds": MORE}, {"worlds": MORE, **TIGHT}, 30, 80),
    "larger jobs": ({"worlds": MORE, **TIGHT}, {"worlds": MORE}, 30, 80),
    "parts": (ONE, {**TIGHT, "population": {"splits": 1, "victims": 7, "shadows": 4}}, 14, 28),
    "poisoned worlds": ({}, {"poison": {"shares": [0, 0.1]}}, 20, 40),
    "other poison": ({"poison": {"shares": [0, 0.1]}}, {"poison": {"shares": [0, 0.1], "group": 0}, **TIGHT}, 20, 40),
    "another defence": ({}, {"defences": [*DEFENCES, "scratch"], "population": {**POPULATION, "victims": 6}}, 20, 40),
    "other names": (
        {}, {"models": [{**tiny.raw()["models"][0], "id": "m"}], "defences": ["none", {"name": "finetune", "id": "d"}], **TIGHT}, 20, 20,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_only_new_models_are_trained_and_the_bytes_are_those_of_a_fresh_run(case, bench, tmp_path, monkeypatch, capsys):
    before, changes, base, defended = CASES[case]
    bench.run(build(**before))
    new = build(**changes)
    promised = foreseen(new)
    said = bench.run(new)
    assert {stage: reused for stage, (_, reused) in promised.items()} == {"train": base, "defend": defended}
    assert told(said) == base + defended
    assert bench.trained["train"] == promised["train"][0]
    fresh = Bench(tmp_path / "fresh", monkeypatch, capsys)
    assert told(fresh.run(new)) == 0
    assert bench.trained["defend"] < fresh.trained["defend"] or promised["defend"][1] == 0
    assert files(new, bench.folder) == files(new, fresh.folder)
    assert foreseen(new) == {"train": (0, 0), "defend": (0, 0)}, "what is there is neither trained nor copied"


NEW = {"population": {**POPULATION, "victims": 6}}
"""A cut that would find 60 models in the files of another."""


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"ratio_mode": "label-balanced"},
        {"training": {"epochs": 2, "batch": 31}},
        {"models": [{"name": "mlp", "settings": {"widths": [9]}}]},
        {"tasks": [{**tiny.raw()["tasks"][0], "options": {"rows": 801}}]},
        {"tasks": [{**tiny.raw()["tasks"][0], "rows": 61}]},
        {"population": {**POPULATION, "victim_share": 0.3, "adversary_share": 0.3}},
        {"worlds": [{"protocol": "ratio", "ratios": [0.2, 0.6]}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_models_are_never_taken(changes, bench):
    bench.run(build())
    new = build(**changes)
    assert [reused for _, reused in foreseen(new).values()] == [0, 0]
    assert told(bench.run(new)) == 0


def test_a_defence_with_other_settings_takes_nothing_and_its_base_all(bench):
    bench.run(build())
    new = build(defences=["none", {"name": "fft", "settings": {"eo_weight": 2.0}}], **NEW)
    assert [reused for _, reused in foreseen(new).values()] == [20, 0]
    assert told(bench.run(new)) == 20


def test_a_defence_that_trains_on_nothing_runs_without_complements(bench):
    """No complement is drawn, the defended models are the base models turned to each direction, and they are found again."""
    few = {"worlds": [*RATIO, {"protocol": "k-ary", "ratios": [0.2, 0.4, 0.6]}], "attacks": ["meta"]}
    built = build(**few, defences=["none", "answer-noise"])
    bench.run(built)
    assert bench.trained["defend"] == 0
    assert {step.settings.purpose for step in built.steps["draw"].values()} == {"base", "query"}
    base = {}
    for step in built.steps["train"].values():
        table = store.read(bench.folder / step.outputs["victims"])
        base |= dict(zip(table["seed"].to_pylist(), table["weights"].to_pylist(), strict=True))
    (step,) = built.steps["defend"].values()
    assert step.inputs["complement"] == ()
    table = store.read(bench.folder / step.outputs["victims"])
    assert table.num_rows == 4 * len(step.settings.directions)
    turned = set(zip(table["world"].to_pylist(), table["from_world"].to_pylist(), strict=True))
    assert turned == {tuple(direction) for direction in step.settings.directions} and len(turned) > 2
    assert all(
        base[seed] == own for seed, own in zip(table["seed"].to_pylist(), table["weights"].to_pylist(), strict=True)
    )
    new = build(**few, defences=["none", "answer-noise"], **NEW)
    promised = [reused for _, reused in foreseen(new).values()]
    assert min(promised) > 0 and told(bench.run(new)) == sum(promised)


@pytest.mark.parametrize(("code", "now"), [("one", "another"), ("unknown", "unknown")])
def test_models_of_other_code_or_of_code_that_was_not_told_are_trained_again(code, now, bench):
    bench.run(build(), code=code)
    new = build(**NEW)
    assert [reused for _, reused in foreseen(new).values()] == [0, 0]
    assert told(bench.run(new, code=now)) == 0


def test_what_counts_is_what_the_records_are_and_not_how_they_were_asked_for(bench):
    def with_options(**options):
        return build(tasks=[{**tiny.raw()["tasks"][0], "options": {"rows": 800, "proxies": 0, **options}}])

    bench.run(with_options(proxy_strength=1.0))
    assert told(bench.run(with_options(proxy_strength=2.0))) == 60, "without proxies, their strength changes no record"
    assert told(bench.run(with_options(signal=2.0))) == 0


def test_a_new_library_of_the_loaders_trains_nothing_where_records_come_out_the_same(bench, monkeypatch):
    old, version = build(), provenance._version
    bench.run(old)
    monkeypatch.setattr(provenance, "_version", lambda name: "99" if name == "pandas" else version(name))
    provenance.library_versions.cache_clear()
    new = build()
    assert not set(new.steps["train"]) & set(old.steps["train"]), "ids go down from the dataset's code"
    assert told(bench.run(new)) == 60 and bench.trained["train"] == 0
    provenance.library_versions.cache_clear()


def test_re_use_can_be_switched_off(bench):
    bench.run(build())
    new = build(engine={"reuse": False}, **NEW)
    assert [reused for _, reused in foreseen(new).values()] == [0, 0]
    assert told(bench.run(new, train.How(reuse=new.experiment.engine.reuse))) == 0
    assert bench.trained["train"] == 24


def test_a_job_run_again_by_hand_trains_again(bench):
    built = build()
    bench.run(built)
    before = files(built, bench.folder)
    (step,) = built.steps["train"].values()
    bench.fits = 0
    bench.one(step, train.How(), step.code)
    assert bench.fits == step.models and files(built, bench.folder) == before


# What is found in the store is not trusted.


def rewrite(path, **changes):
    """Write a file again, with other facts beside its table."""
    store.write(path, store.read(path), {**store.facts(path), **changes})


def other_settings(path):
    settings = store.facts(path)["settings"]
    rewrite(path, settings={**settings, "training": {**settings["training"], "epochs": 3}})


SPOILED = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-9]), 2),
    "not Parquet": (lambda path: path.write_text("nothing"), 2),
    "of another step": (lambda path: rewrite(path, step="another-step"), 2),
    "of another device": (lambda path: rewrite(path, device="cuda"), 0),
    "of another stage": (lambda path: rewrite(path, stage="defend"), 0),
    "with other settings": (other_settings, 0),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_file_that_cannot_be_trusted_is_passed_over_in_one_line(spoiled, bench, tmp_path, monkeypatch, capsys):
    old, new = build(defences=["none"]), build(defences=["none"], **NEW)
    bench.run(old)
    spoil, lines = SPOILED[spoiled]
    (step,) = old.steps["train"].values()
    for path in step.outputs.values():
        spoil(bench.folder / path)
    assert foreseen(new)["train"][1] == 0
    said = bench.run(new)
    assert told(said) == 0 and bench.trained["train"] == 24
    passed = [line for line in said.splitlines() if line.startswith("popleak: not re-used: ")]
    assert len(passed) == lines and "Traceback" not in said
    fresh = Bench(tmp_path / "fresh", monkeypatch, capsys)
    fresh.run(new)
    assert files(new, bench.folder) == files(new, fresh.folder)


def test_models_come_from_several_files_and_a_damaged_one_costs_its_own_alone(bench):
    bench.run(build(worlds=MORE, **TIGHT))
    damaged = sorted((bench.folder / "results/store/train").glob("*0p3*.victims.parquet"))
    assert len(damaged) >= 1
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-9])
    new = build(worlds=MORE)
    said = bench.run(new)
    # world 0.3 loses its 4 victims; their defended selves are there all the same, for they come out bit for bit
    assert bench.trained == {**bench.trained, "train": 4, "defend": 0} and told(said) == 110 - 4
    assert said.count("popleak: not re-used: ") == len(damaged)


def test_a_flipped_bit_in_a_key_or_the_footer_costs_time_and_no_number(bench, tmp_path, monkeypatch, capsys):
    old, new = build(defences=["none"]), build(defences=["none"], **NEW)
    bench.run(old)
    (step,) = old.steps["train"].values()
    path = bench.folder / step.outputs["victims"]
    whole = path.read_bytes()
    fresh = Bench(tmp_path / "fresh", monkeypatch, capsys)
    fresh.run(new)
    right = files(new, fresh.folder)
    monkeypatch.chdir(bench.folder)
    for place in np.random.default_rng(1).integers(len(whole) - len(whole) // 3, len(whole) - 8, 12):
        broken = bytearray(whole)
        broken[place] ^= 4
        path.write_bytes(broken)
        for made in new.steps["train"].values():
            for output in made.outputs.values():
                (bench.folder / output).unlink(missing_ok=True)
        assert told(bench.run(new)) in (12, 20)  # with the victims' file or without
        assert files(new, bench.folder) == right, place


# Models that are trained together.


@pytest.fixture
def through_torch(monkeypatch):
    """The plugin `mlp` builds a module that is no chain of Linear and ReLU."""
    plugin = plugins.load("models", "mlp")

    def module(self, n_features, settings):
        from torch import nn

        return nn.Sequential(nn.Linear(n_features, 4), nn.Tanh(), nn.Linear(4, 1))

    monkeypatch.setattr(type(plugin), "sides", lambda self, n_features, settings: None)
    monkeypatch.setattr(type(plugin), "build", module)


def test_on_a_cpu_every_model_is_copied_by_itself_whatever_trains_it(
    through_torch, bench, tmp_path, monkeypatch, capsys
):
    bench.run(build())
    new, how = build(population={**POPULATION, "victims": 6, "shadows": 4}), train.How(stack=3)
    assert sum(reused for _, reused in foreseen(new).values()) == told(bench.run(new, how)) == 20 + 40
    fresh = Bench(tmp_path / "fresh", monkeypatch, capsys)
    fresh.run(new, how)
    assert files(new, bench.folder) == files(new, fresh.folder)


@pytest.fixture
def together(through_torch, monkeypatch):
    """As on a GPU, models are said to be computed together."""
    for module in (_fitter, stock):
        monkeypatch.setattr(module, "alone", lambda device: False)


@pytest.mark.parametrize(
    ("changes", "stack", "there"),
    [
        ({"worlds": MORE}, 32, 20 + 40),
        # in each world and direction the 6 shadows, of which there are as many as before
        (NEW, 32, 12 + 24),
        ({"population": {**POPULATION, "victims": 6, "shadows": 4}}, 32, 0),
        ({"worlds": MORE}, 3, 0),
    ],
    ids=["worlds", "victims", "both", "stack"],
)
def test_models_whose_roundings_depend_on_their_neighbours_are_copied_together_or_not_at_all(
    changes, stack, there, together, bench, tmp_path, monkeypatch, capsys
):
    bench.run(build())
    new, how = build(**changes), train.How(stack=stack)
    if stack == 32:
        assert sum(reused for _, reused in foreseen(new).values()) == there
    assert told(bench.run(new, how)) == there
    fresh = Bench(tmp_path / "fresh", monkeypatch, capsys)
    fresh.run(new, how)
    assert files(new, bench.folder) == files(new, fresh.folder)


# Keys.


def shelf(**changes) -> reuse.Shelf:
    facts = {"stage": "train", "step": "a-b-c", "code": "x", "device": "cpu"}
    facts |= {key: value for key, value in changes.items() if key in facts}
    told = TrainStep(
        **{
            "model": "mlp", "model_settings": {}, "training": Training(epochs=1, batch=32, learning_rate=0.01), "roles": ("victim",),
            "part": (0, 1), "worlds": ("0.5#0",), **changes.get("settings", {}),
        }
    )  # fmt: skip
    more = {"records": "r", "alone": True, "stack": 32, "use": True}
    more |= {key: value for key, value in changes.items() if key in more}
    return reuse.Shelf(facts, told, {}, **more)


def test_a_key_depends_on_all_that_decides_a_model():
    seeds, rows = np.array([1, 2, 2**63 - 1]), np.arange(12, dtype=np.int32).reshape(3, 4)
    keys = shelf().keys(seeds, rows)
    assert keys.shape == (3, reuse.WIDTH) and len({key.tobytes() for key in keys}) == 3
    assert np.array_equal(keys, shelf(stack=7, use=False, step="d-e-f").keys(seeds, rows))
    of_the_job = {"worlds": ("0.1#0", "0.5#0"), "part": (1, 2), "roles": ("shadow",)}
    assert np.array_equal(keys, shelf(settings=of_the_job).keys(seeds, rows))
    assert np.array_equal(keys[1:], shelf().keys(seeds[1:], rows[1:])), (
        "a model's key does not depend on its neighbours"
    )
    others = [
        shelf(stage="defend").keys(seeds, rows),
        shelf(code="y").keys(seeds, rows),
        shelf(device="cuda").keys(seeds, rows),
        shelf(records="s").keys(seeds, rows),
        shelf(settings={"model": "logistic"}).keys(seeds, rows),
        shelf(settings={"model_settings": {"widths": [9]}}).keys(seeds, rows),
        shelf(settings={"training": Training(epochs=2, batch=32, learning_rate=0.01)}).keys(seeds, rows),
        shelf().keys(seeds + 1 - 2 * (seeds > 9), rows),
        shelf().keys(seeds, rows[:, ::-1]),
        shelf().keys(seeds, rows.astype(np.int64)),
        shelf().keys(seeds, rows[:, :2], rows[:, 2:]),
        shelf(alone=False).keys(seeds, rows),
        shelf(alone=False, stack=3).keys(seeds, rows),
    ]
    everyone = [key.tobytes() for other in [keys, *others] for key in other]
    assert len(set(everyone)) == len(everyone)
    together = shelf(alone=False).keys(seeds[1:], rows[1:])
    assert not (together == shelf(alone=False).keys(seeds, rows)[1:]).all(1).any()


def test_the_digest_of_records_is_of_what_models_see():
    there = tiny.records()
    digest = reuse.content(there, len(there.y))
    assert digest == reuse.content(there._replace(unit=there.unit + 1, facts={}), len(there.y))
    from popleak.store.records import with_twins

    assert digest == reuse.content(with_twins(there), len(there.y)), "poisoned twins follow from the records"
    for name in ("x", "y", "a", "cell"):
        changed = getattr(there, name).copy()
        changed[7] = 1 - changed[7]
        assert reuse.content(there._replace(**{name: changed}), len(there.y)) != digest, name
    assert reuse.content(there._replace(cell=None), len(there.y)) != digest


# Settings and names without effect.


BEFORE = plan.STAGES[: plan.STAGES.index("report")]
"""All stages but the report, which shows the config as it was given."""


def ids(built: plan.Plan, *stages: str) -> dict[str, list[str]]:
    return {stage: sorted(built.steps[stage]) for stage in stages}


TRAINED = ("dataset", "split", "draw", "train", "defend", "query")


@pytest.mark.parametrize(
    "setting",
    [
        {"eo_weight": 1.0, "eo_grid": [1.0, 8.0]},
        {"eo_weight": 1.0, "eo_target": 0.2},
        {"eo_weight": 1.0, "penalty": "squared", "eo_target": 0.2, "eo_grid": [3.0]},
    ],
)
@pytest.mark.parametrize("name", ["fft", "fft-rehearsal"])
def test_a_setting_without_effect_beside_the_others_changes_no_step(name, setting):
    usual = {key: value for key, value in setting.items() if key in ("eo_weight", "penalty")}
    one, other = (build(defences=["none", {"name": name, "settings": own}]) for own in (usual, setting))
    assert ids(one, *BEFORE) == ids(other, *BEFORE)


@pytest.mark.parametrize(
    "setting",
    [
        {"eo_weight": "auto", "eo_grid": [1.0, 8.0]},
        {"eo_weight": "auto", "eo_target": 0.2},
        {"eo_weight": 1.0, "penalty": "lagrangian", "eo_target": 0.2},
    ],
)
def test_the_same_setting_counts_where_it_has_an_effect(setting):
    usual = {key: value for key, value in setting.items() if key in ("eo_weight", "penalty")}
    one, other = (build(defences=["none", {"name": "fft", "settings": own}]) for own in (usual, setting))
    assert not set(one.steps["defend"]) & set(other.steps["defend"])


def test_points_of_the_attack_on_weights_count_where_the_model_is_asked():
    def attacks(**settings):
        return build(attacks=[{"name": "weights", "settings": settings}])

    assert ids(attacks(form="flat"), "attack") == ids(attacks(form="flat", points=9), "attack")
    assert ids(attacks(), "attack") != ids(attacks(points=9), "attack")


def test_closed_forms_have_no_epochs():
    closed = {"models": ["prior"], "defences": ["none", "scratch"], "attacks": ["ceiling"]}
    training = tiny.raw()["training"]
    one, epochs, held = (
        build(**closed, training={**training, **more}) for more in ({}, {"epochs": 9, "batch": 7}, {"validation": 0.2})
    )
    assert ids(one, *BEFORE) == ids(epochs, *BEFORE)
    assert ids(one, "train") == ids(held, "train") and ids(one, "defend") != ids(held, "defend")


def test_names_that_a_reader_gives_are_in_no_step_that_trains_or_asks():
    raw = tiny.raw(worlds=RATIO, knowledge=["unaware", "aware", "informed"], defences=DEFENCES)
    renamed = json.loads(canonical(raw))
    renamed["experiment"] = "renamed"
    renamed["tasks"][0]["id"] = "my-task"
    renamed["models"][0]["id"] = "my-model"
    renamed["defences"] = ["none", {"name": "finetune", "id": "my-defence"}, {**DEFENCES[2], "id": "my-fair-defence"}]
    one, other = (plan.build(config.load(each)) for each in (raw, renamed))
    assert ids(one, *TRAINED) == ids(other, *TRAINED)
    assert not set(one.steps["measure"]) & set(other.steps["measure"]), "public tables show the names"


def test_two_names_for_one_thing_share_its_models():
    model, fft = tiny.raw()["models"][0], DEFENCES[2]
    twice = build(models=[model, {**model, "id": "again"}], defences=[*DEFENCES, {**fft, "id": "again"}])
    assert ids(build(), *TRAINED) == ids(twice, *TRAINED)


@pytest.mark.parametrize(
    ("library", "stages"),
    [
        ("matplotlib", {"figures", "report"}),
        ("torch", {"train", "defend", "query", "measure"}),
        ("pandas", {"dataset", "measure", "tables", "figures", "report"}),
        ("numpy", {"dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "tables", "figures", "report"}),
    ],
)  # fmt: skip
def test_a_new_library_re_runs_the_stages_that_compute_with_it(library, stages, monkeypatch):
    def codes() -> dict[str, set[str]]:
        provenance.library_versions.cache_clear()
        found: dict[str, set[str]] = {}
        for step in build().all_steps():
            found.setdefault(step.stage, set()).add(step.code)
        return found

    before, version = codes(), provenance._version
    monkeypatch.setattr(provenance, "_version", lambda name: "99" if name == library else version(name))
    after = codes()
    provenance.library_versions.cache_clear()
    assert {stage for stage in before if before[stage] != after[stage]} == stages
