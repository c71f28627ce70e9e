"""What another value of a key, or of a plugin's setting, makes again: ids of the plan, against the table of docs/caching.md."""

from __future__ import annotations

import contextlib
from typing import get_args

import pytest

import tiny
from popleak.config import papers
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.plan import build as plan
from popleak.report import reruns
from popleak.steps import STAGES
from reruns_of import rerun

LIKE = {  # a config in which each key has another valid value
    "tasks": [
        {"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}},
        {"dataset": "adult", "attribute": "sex", "rows": 60, "query_rows": 30},
    ],
    "worlds": [{"protocol": "ratio", "ratios": [0.3, 0.5]}],
    "figures": ["leakage", "gap"],
}
BASE = tiny.raw(**LIKE)
SHADOWS = {"shadow_models": [{"name": "mlp", "id": "wide", "settings": {"widths": [12]}}]}
PUBLIC = {"defences": ["none", "finetune", "distillation"]}
POISONED = {"shares": [0, 0.1]}


def in_task(**changes) -> dict:
    return {"tasks": [{**LIKE["tasks"][0], **changes}, LIKE["tasks"][1]]}


def second(**changes) -> dict:
    return {"tasks": [LIKE["tasks"][0], {**LIKE["tasks"][1], **changes}]}


def population(**changes) -> dict:
    return {"population": {**BASE["population"], **changes}}


def training(**changes) -> dict:
    return {"training": {**BASE["training"], **changes}}


def shadow(**changes) -> tuple[dict, dict]:
    return SHADOWS, {"shadow_models": [{**SHADOWS["shadow_models"][0], **changes}]}


FFT = BASE["defences"][2]
MEMBERS = {
    "worlds": [{"protocol": "pure"}, {"protocol": "membership", "ratios": [0.3]}], "attacks": ["loss", "lira"],
    **population(halves=6), **training(validation=0),
}  # fmt: skip
GENERATED = {
    "worlds": [{"protocol": "pure"}, {"protocol": "samples", "ratios": [0.3, 0.6]}], "attacks": ["loss", "property-inference"],
    "generators": ["tabular-diffusion"], "sharers": ["none", "rehearsal"],
}  # fmt: skip
RECEIVED = {"defences": ["none", "synthetic"]}


def generated(**changes) -> tuple[dict, dict]:
    return GENERATED, {**GENERATED, **changes}


FLIPS = {
    "experiment": {"experiment": "elsewhere"},
    "title": {"title": "another"},
    "seed": {"seed": 4},
    "data_dir": {"data_dir": "nowhere"},
    "tasks.dataset": second(dataset="compas", attribute="sex"),
    "tasks.id": in_task(id="renamed"),
    "tasks.attribute": second(attribute="race"),
    # another task by its id too, and no step of the one without it
    "tasks.attribute_in_features": in_task(attribute_in_features=True),
    "tasks.options": in_task(options={"rows": 801}),
    "tasks.rows": in_task(rows=61),
    "tasks.rows, with generators": generated(**in_task(rows=61)),
    "tasks.query_rows": in_task(query_rows=31),
    "tasks.models": in_task(models=["logistic"]),
    "tasks.worlds": in_task(worlds=[{"protocol": "ratio", "ratios": [0.2, 0.6]}]),
    "tasks.ratio_mode": in_task(ratio_mode="label-balanced"),
    "tasks.defences, one less": in_task(defences=["none", "finetune"]),
    "tasks.attacks, one less": in_task(attacks=["loss"]),
    "tasks.shadow_models": in_task(shadow_models=["logistic"]),
    "tasks.generators": generated(**in_task(generators=[{"name": "tabular-diffusion", "settings": {"epochs": 3}}])),
    "tasks.sharers": generated(**in_task(sharers=["none", "finetune"])),
    "tasks.poison": in_task(poison=POISONED),
    "tasks.population": in_task(population={"shadows": 4}),
    "tasks.training": in_task(training={"epochs": 3}),
    "tasks.placebo": in_task(placebo=1),
    "worlds.protocol": {"worlds": [{"protocol": "pure"}]},
    "worlds.ratios": {"worlds": [{"protocol": "ratio", "ratios": [0.3, 0.6]}]},
    "ratio_mode": {"ratio_mode": "label-balanced"},
    "models.name": {"models": ["logistic"]},
    "models.id": {"models": [{**BASE["models"][0], "id": "small"}]},
    "models.settings": {"models": [{"name": "mlp", "settings": {"widths": [9]}}]},
    "models.grid": {"models": [{"name": "mlp", "grid": {"widths": [[9]]}}]},
    "defences.name": {"defences": ["none", "rehearsal", FFT]},
    "defences.id": {"defences": ["none", {"name": "finetune", "id": "ft"}, FFT]},
    "defences.settings": {"defences": ["none", "finetune", {"name": "fft", "settings": {"eo_weight": 2.0}}]},
    "defences.grid": {"defences": ["none", "finetune", {"name": "fft", "grid": {"eo_weight": [2.0]}}]},
    "attacks.name": {"attacks": ["loss", "meta"]},
    "attacks.id": {"attacks": ["loss", {"name": "kl", "id": "divergence"}]},
    "attacks.settings": {"attacks": ["loss", {"name": "kl", "settings": {"clip": 0.01}}]},
    "attacks.grid": {"attacks": ["loss", {"name": "kl", "grid": {"clip": [0.01]}}]},
    "access, one less": {"access": ["labels"]},
    "knowledge, one less": {"knowledge": ["informed"]},
    "shadow_models.name": shadow(name="logistic", settings={}),
    "shadow_models.id": shadow(id="wider"),
    "shadow_models.settings": shadow(settings={"widths": [13]}),
    "shadow_models.grid": shadow(settings={}, grid={"widths": [[13]]}),
    "generators.name": generated(generators=["pixel-diffusion"]),
    "generators.id": generated(generators=[{"name": "tabular-diffusion", "id": "diffused"}]),
    "generators.settings": generated(generators=[{"name": "tabular-diffusion", "settings": {"epochs": 3}}]),
    "generators.grid": generated(generators=[{"name": "tabular-diffusion", "grid": {"epochs": [3]}}]),
    "sharers.name": generated(sharers=["none", "finetune"]),
    "sharers.id": generated(sharers=["none", {"name": "rehearsal", "id": "fair"}]),
    "sharers.settings": generated(sharers=["none", {"name": "rehearsal", "settings": {"epochs": 3}}]),
    "sharers.settings, of a defence that chooses among the samples": (
        {**GENERATED, "sharers": ["none", "fixed-prior"]},
        {**GENERATED, "sharers": ["none", {"name": "fixed-prior", "settings": {"share": 0.4}}]},
    ),
    "sharers.grid": generated(sharers=["none", {"name": "rehearsal", "grid": {"epochs": [3]}}]),
    "samples.rows, with generators": generated(samples={"rows": 50}),
    "samples.rows, with a defence that trains on them": (RECEIVED, {**RECEIVED, "samples": {"rows": 50}}),
    "samples.labels, with generators": generated(samples={"labels": "even"}),
    "poison.shares": {"poison": POISONED},
    "poison.group": {"poison": {"group": 0}},
    "poison.group, with poisoned rows": ({"poison": POISONED}, {"poison": {**POISONED, "group": 0}}),
    "poison.label": {"poison": {"label": 1}},
    "poison.label, with poisoned rows": ({"poison": POISONED}, {"poison": {**POISONED, "label": 1}}),
    "repeats": {"repeats": [1, 3]},
    "repeats, with a defence that answers at random": ({"defences": ["none", "answer-noise"]}, {"repeats": [1, 3]}),
    "population.splits": population(splits=4),
    "population.victims": population(victims=6),
    "population.shadows": population(shadows=4),
    "population.halves": population(halves=8),
    "population.halves, with worlds of protocol membership": (MEMBERS, {**MEMBERS, **population(halves=8)}),
    "population.halves_splits": population(halves_splits=1),
    "population.halves_splits, with worlds of protocol membership": (
        MEMBERS,
        {**MEMBERS, **population(halves=6, halves_splits=1)},
    ),
    "population.victim_share": population(victim_share=0.3),
    "population.adversary_share": population(adversary_share=0.3),
    "population.adversary_from": population(adversary_from=["White"]),
    "population.sub_pools": population(sub_pools=2),
    "population.releases": (population(shadows=4), population(shadows=4, releases=2)),
    "population.kept": population(kept=0.25),
    "population.kept, with several releases": (
        population(shadows=4, releases=2),
        population(shadows=4, releases=2, kept=0.25),
    ),
    "population.public_share": population(public_share=0.05),
    "population.public_share, with a defence on public rows": (PUBLIC, population(public_share=0.15)),
    "budgets.shadows": {"budgets": {"shadows": [2]}},
    "budgets.queries": {"budgets": {"queries": [5]}},
    "budgets.ask": {"budgets": {"ask": ["drawn"]}},
    "budgets.ask, with queries": ({"budgets": {"queries": [5]}}, {"budgets": {"queries": [5], "ask": ["drawn"]}}),
    "training.epochs": training(epochs=3),
    "training.batch": training(batch=33),
    "training.learning_rate": training(learning_rate=0.1),
    "training.schedule": training(schedule="cosine"),
    "training.cycles": training(cycles=2),
    "training.cycles, with restarts": (
        training(schedule="restarts", epochs=4),
        training(schedule="restarts", epochs=4, cycles=2),
    ),
    "training.weight_decay": training(weight_decay=0.1),
    "training.validation": training(validation=0.2),
    "engine.stack": {"engine": {"stack": 7}},
    # another cut means other files, into which models are copied
    "engine.job_seconds": {"engine": {"job_seconds": 0.0001}},
    "engine.reuse": {"engine": {"reuse": False}},
    "engine.device": {"engine": {"device": "auto"}},
    "engine.backend": {"engine": {"backend": "torch"}},
    **{
        f"search.{key}": {"search": {key: value}}
        for key, value in {
            "trials": 7,
            "startup": 3,
            "seeds": 2,
            "space": {"epochs": [5]},
            "above_constant": 0.1,
            "front": 2,
            "unselected": 2,
            "survivors": 1,
            "curve": [0],
            "transfer": ["adult-sex"],
            "transferred": 3,
            "first": {"victims": 4, "shadows": 4},
            "second": {"victims": 4, "shadows": 4},
            "third": {"victims": 4, "shadows": 4},
        }.items()
    },
    "figures, one more": {"figures": ["leakage", "gap", "roc"]},
    "tau": {"tau": 0.2},
    "margin": {"margin": 0.1},
    "audit.margin": ({"audit": {}}, {"audit": {"margin": 0.2}}),
    "audit.defence": ({"audit": {}}, {"audit": {"defence": "finetune"}}),
}
"""What is changed in `BASE`; of two, the first comes before."""
TABLES_OF_THEIR_OWN = {"tasks.label", "paper"}
"""Keys that need a file: see `test_label` and `test_paper`."""


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Which raw files are there is no matter of keys."""
    monkeypatch.delenv("POPLEAK_DATA", raising=False)


def kinds(found: set[tuple[str, str]]) -> set[str]:
    """Return the stages, with tables and figures named."""
    return {f"{stage} {name.rpartition('-')[0]}" if stage in ("tables", "figures") else stage for stage, name in found}


def expected(key: str, old: plan.Plan, new: plan.Plan) -> set[str]:
    """Return what the table of keys says of a plan, figures named."""
    said = set(reruns.KEYS[key])
    if "figures" in said:
        said |= {f"figures {name}" for name in new.figures}
    if "figures new" in said:
        said |= {f"figures {name}" for name in new.figures.keys() - old.figures.keys()}
    if "figures tables" in said:
        said |= {
            f"figures {name}"
            for name in new.figures
            if {f"tables {table}" for table in plugins.load("figures", name).reads(new.tables)} & said
        }
    return said - {"figures", "figures new", "figures tables"}


def of(*changes: dict) -> plan.Plan:
    raw = BASE
    for change in changes:
        raw = {**raw, **change}
    return plan.build(config.load(raw))


def flipped(key: str) -> tuple[plan.Plan, plan.Plan]:
    flip = FLIPS[key]
    before, after = flip if isinstance(flip, tuple) else ({}, flip)
    return of(before), of(before, after)


# Keys.


def test_every_key_of_the_config_is_in_the_table_and_flipped():
    assert {key.partition(",")[0] for key in reruns.KEYS} == set(reruns.keys()), (
        "a key without an entry, or one that is gone"
    )
    assert set(reruns.KEYS) == FLIPS.keys() | TABLES_OF_THEIR_OWN


@pytest.mark.parametrize("key", FLIPS)
def test_a_key(key):
    old, new = flipped(key)
    assert kinds(rerun(old, new)) == expected(key, old, new)


def test_label(tmp_path):
    """Only a table of a user's own has more than one label to choose from."""
    (tmp_path / "t.csv").write_text("x,y,g\n" + "1,0,u\n2,1,u\n3,0,v\n4,1,v\n" * 100)
    options = {"path": str(tmp_path / "t.csv"), "label": "y", "positive": 1, "attribute": "g", "groups": ["u", "v"]}
    old, new = (
        tiny.build(tasks=[{"dataset": "table", "label": label, "options": options, "rows": 60, "query_rows": 30}])
        for label in ("one", "two")
    )
    assert kinds(rerun(old, new)) == expected("tasks.label", old, new) | {"tables placebo"}  # which an own table has


def test_paper(tmp_path):
    """Another claim, or another word of one, judges anew and does nothing else. The same claims in another file are the same."""
    source = papers.FOLDER / "fair-finetuning.yaml"
    same, other = tmp_path / "same.yaml", tmp_path / "other.yaml"
    same.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    other.write_text(source.read_text(encoding="utf-8").replace("share: 0.5", "share: 0.9"), encoding="utf-8")
    old, copied, new = (of({"paper": paper}) for paper in ("fair-finetuning", str(same), str(other)))
    assert kinds(rerun(old, copied)) == {"report"}  # whose settings name the file
    assert kinds(rerun(old, new)) == expected("paper", old, new)


def test_flips_touch_only_their_own():
    def ids(key):
        return rerun(*flipped(key))

    attacked = {name for stage, name in ids("attacks.settings") if stage == "attack"}
    assert len(attacked) == 2 and all("-kl-" in name for name in attacked)
    defended = {name for stage, name in ids("defences.settings") if stage == "defend"}
    assert len(defended) == 2 and all("-fft-" in name for name in defended)
    drawn = {name for stage, name in ids("tasks.query_rows") if stage == "draw"}
    assert len(drawn) == 1 and "-query-" in next(iter(drawn))
    drawn = {name for stage, name in ids("tasks.rows") if stage == "draw"}
    assert len(drawn) == 2 and not any("-query-" in name for name in drawn)
    shadows = {name for stage, name in ids("population.shadows") if stage == "draw"}
    assert not any("-query-" in name for name in shadows)
    for key in ("tasks.options", "tasks.rows", "tasks.models", "tasks.worlds", "tasks.query_rows"):
        stages = {stage for stage, name in ids(key) if "adult" in name}
        assert not stages, f"{key} of one task touches the other"
    real = {stage for stage, name in ids("seed") if "adult" in name}
    assert "dataset" not in real and {"split", "draw", "train"} <= real


TRAINED = {"dataset", "split", "draw", "train", "defend", "query"}


@pytest.mark.parametrize(
    "key", ["attacks.settings", "knowledge, one less", "figures, one more", "tau", "margin", "title", "repeats"]
)
def test_no_training_for_what_comes_after(key):
    assert not {stage for stage, _ in rerun(*flipped(key))} & {*TRAINED, "measure"}


@pytest.mark.parametrize(
    "key", ["tasks.id", "models.id", "defences.id", "attacks.id", "shadow_models.id", "experiment"]
)
def test_another_name_trains_and_asks_nothing_again(key):
    assert not {stage for stage, _ in rerun(*flipped(key))} & TRAINED


@pytest.mark.parametrize("key", ["poison", "population", "training", "engine"])
def test_a_default_that_is_spelt_out_is_the_default(key):
    """So is a task's own value that is the experiment's."""
    spelt = config.load(BASE).resolved()[key]
    assert rerun(of(), of({key: spelt})) == set()


def test_a_setting_of_a_plugin_at_its_default_is_no_setting():
    plain = {"defences": ["none", "finetune", "fft"], "attacks": ["loss", "kl"]}
    for kind in plain:
        for number, name in enumerate(plain[kind]):
            settings = plugins.load(kind, name).Settings().model_dump(mode="json")
            spelt = [*plain[kind]]
            spelt[number] = {"name": name, "settings": settings}
            found = kinds(rerun(of(plain), of(plain, {kind: spelt})))
            assert found <= {"report"}, (name, found)


# Settings of plugins.

FIRST = {"models": "train", "defences": "defend", "sharers": "defend", "attacks": "attack"}
"""The first stage that knows a setting of a plugin."""
FIRST_OF = {("sharers", "fixed-prior"): "sample"}
"""The same of a plugin that differs from others of its kind."""
FIRST_OF_OTHERS = {"generator": "train", "generator_settings": "train", "sharer": "draw", "sharer_settings": "defend"}
"""The first stage that knows a setting of a defence which says whose samples it trains on: that of the generator or of its sharer, who may want
rows of the complement."""
OWN_DRAWS = (
    ("noisy-fft", "features"),
    ("noisy-rehearsal", "features"),
    ("distillation", "rows"),
    ("distillation", "teacher"),
)
"""Settings of defences that want public rows, or those of a complement, at some values: then these are drawn, from a pool of their own."""


def others(plugin, setting: str) -> list[object]:
    """Return values beside a setting's default, some of which it may take."""
    value = getattr(plugin.Settings(), setting)
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value / 2, value * 2, 0.25, 3]
    annotation = plugin.Settings.model_fields[setting].annotation
    words = [word for one in get_args(annotation) for word in get_args(one) or [one]]
    return [
        *words,
        [3],
        0.25,
        3,
        [1, 12, 12],
        [0.5, 1.0],
        "finetune",
        "pixel-diffusion",
        {"epochs": 7},
        {"n_estimators": 7},
    ]


def plugin_of(kind: str, name: str):
    return plugins.load("defences" if kind == "sharers" else kind, name)


def taking_part(kind: str) -> list[str]:
    """Return the plugins whose settings a config has under this key, or under `generators` for models that generate."""
    if kind not in ("defences", "sharers"):
        return plugins.names(kind)
    to_whom = "generators" if kind == "sharers" else "classifiers"
    return [name for name in plugins.names("defences") if getattr(plugin_of(kind, name), to_whom)]


def shared_by(kind: str, name: str, one: dict, chosen: dict) -> tuple[dict, dict]:
    """Return what a config chooses, and its worlds, where a plugin takes part in the chain of a generator."""
    plugin, needed = plugin_of(kind, name), {"worlds": GENERATED["worlds"], "generators": ["tabular-diffusion"]}
    if kind == "models" and plugin.generates:
        return {**chosen, "models": ["mlp"], "attacks": GENERATED["attacks"]}, {**needed, "generators": [one]}
    if kind == "sharers":
        return {**chosen, "sharers": ["none", one], "attacks": GENERATED["attacks"]}, needed
    if kind == "attacks" and plugin.of_samples:
        return {**chosen, "attacks": ["loss", one]}, needed
    return chosen, {}


def with_settings(kind: str, name: str, settings: dict) -> plan.Plan:
    """Return a plan with a plugin at some settings. Raises PopleakError for those that it cannot have."""
    one = {"name": name, "settings": settings}
    chosen = {"models": ["mlp"], "defences": ["none", "finetune"], "attacks": ["loss"]}
    chosen[kind] = ["none", one] if kind == "defences" else [one]
    if kind == "models" and plugin_of(kind, name).tabled:  # nothing trains such a model further
        chosen["defences"] = ["none", "scratch"]
    images = {"tasks": [{"dataset": "synthetic-images", "rows": 60, "query_rows": 30, "options": {"rows": 800}}]}
    owners = population(shadows=4, releases=2)
    mixed = {"worlds": [{"protocol": "ratio", "ratios": [0.3, 0.6]}]}  # both groups in both worlds
    kinds = {"cnn": images, "snap": {"poison": POISONED}, "releases": owners, "resample": mixed, "fft-generated": mixed}
    needed = kinds.get(name, {})
    chosen, shared = shared_by(kind, name, one, chosen)
    needed = needed | shared
    if kind == "attacks" and plugin_of(kind, name).rows:
        chosen |= {"defences": ["none", "distillation"], "attacks": ["loss", one]}
        worlds = [{"protocol": "pure"}, {"protocol": "membership", "ratios": [0.3]}]
        needed = {
            "worlds": worlds,
            "population": population(victims=16)["population"],
            "training": {"epochs": 2, "validation": 0},
        }
    return tiny.build(**chosen, figures=[], **needed)


@pytest.mark.parametrize(
    ("kind", "name", "setting"),
    [
        (kind, name, setting)
        for kind in FIRST
        for name in taking_part(kind)
        for setting in plugin_of(kind, name).Settings.model_fields
        if kind != "sharers" or setting not in ("schedule", "cycles")  # which a generator's training does not take
    ],
)
def test_every_setting_of_a_plugin_reaches_its_own_stage_and_no_earlier_one(kind, name, setting):
    plugin = plugin_of(kind, name)
    # what chooses a fairness weight counts where one is chosen
    given = {"eo_weight": "auto"} if setting in ("eo_grid", "eo_target") else {}
    given |= {"eo_weight": 1.0} if setting in ("penalty", "eo_reference") else {}
    given |= {"schedule": "restarts"} if setting == "cycles" else {}
    given |= {"how": "under"} if (name, setting) == ("resample", "size") else {}
    given |= {
        "teacher_settings": {"teacher": "finetune"},
        "sharer_settings": {"sharer": "finetune"},
        "fair_epochs": {"eo_weight": 1.0},
        "parts": {"teacher": "ensemble"},
        "a": {"mode": "offline"},
        **{key: {"activation": "tempered-sigmoid"} for key in ("scale", "inverse_temperature", "offset")},
    }.get(setting, {})
    usual, flipped = plugin.Settings.model_validate(given).resolved(), []
    for value in others(plugin, setting):
        with contextlib.suppress(ValueError):
            one = plugin.Settings.model_validate({**given, setting: value}).resolved()
            flipped += [one] if one != usual else []
    assert flipped, "no other value is known for this setting: add one to `others`"
    old, new = with_settings(kind, name, usual), None
    for one in flipped:
        with contextlib.suppress(PopleakError):  # the plan may refuse what the plugin alone takes
            new = with_settings(kind, name, one)
            break
    assert new is not None
    found = {stage for stage, _ in rerun(old, new)}
    begin = "query" if setting == "answers" else FIRST[kind]  # which models there are does not hang on how they answer
    begin = FIRST_OF.get((kind, name), begin)
    first = "split" if (name, setting) in OWN_DRAWS else FIRST_OF_OTHERS.get(setting, begin)
    assert begin in found and not found & set(STAGES[: STAGES.index(first)])


@pytest.mark.parametrize("name", [name for name in taking_part("sharers") if name not in ("none", "fixed-prior")])
def test_a_sharer_has_no_schedule_of_step_sizes(name):
    with pytest.raises(PopleakError, match=rf"sharers: '{name}': schedule: a generator's step size has one of its own"):
        with_settings("sharers", name, {"schedule": "cosine"})
