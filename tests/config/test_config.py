"""The config: what is refused, in one line that names the key's path and what is allowed; the exported JSON Schema."""

from __future__ import annotations

import functools
import json
import re

import pytest
from pydantic import ValidationError

import tiny
from popleak.config import experiment, tasks
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.settings import _kinds

SCHEMA = tiny.ROOT / "workflow" / "schemas" / "config.schema.json"
TASK = tiny.raw()["tasks"][0]
FILES = [tiny.ROOT / "config.yaml", *sorted((tiny.ROOT / "workflow" / "experiments").glob("*.yaml"))]


def refused(**changes) -> str:
    with pytest.raises(PopleakError) as error:
        config.load(tiny.raw(**changes))
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("config: ")
    assert len(message) < 500
    return message


def task(**changes) -> dict:
    return {"tasks": [{**TASK, **changes}]}


def with_settings(kind: str, name: str, **settings) -> dict:
    chosen = [{"name": name, "settings": settings}]
    return {kind: ["none", *chosen] if kind == "defences" else chosen}


CASES = {
    "unknown key": (
        {"tassks": []},
        r"^config: tassks: unknown key \(did you mean 'tasks'\?\): allowed here: access, attacks, .*worlds$",
    ),
    "unknown key below": (
        {"training": {"epoch": 3}},
        r"^config: training\.epoch: unknown key \(did you mean 'epochs'\?\): allowed here: batch, cycles, epochs, learning_rate, schedule, validation, weight_decay$",
    ),
    "unknown key in a list": (
        task(colour=1),
        r"^config: tasks\.0\.colour: unknown key: allowed here: attacks, attribute, attribute_in_features, dataset, .*worlds$",
    ),
    "unknown key in a choice": (
        {"attacks": [{"name": "kl", "setings": {}}]},
        r"^config: attacks\.0\.setings: unknown key \(did you mean 'settings'\?\): allowed here: grid, id, name, settings$",
    ),
    "wrong type": ({"seed": "many"}, r"^config: seed: input should be a valid integer.*\(found 'many'\)$"),
    "wrong type below": (
        {"population": {"splits": 2.5, "victims": 4}},
        r"^config: population\.splits: input should be a valid integer.*\(found 2\.5\)$",
    ),
    "a mapping for a list": ({"tasks": {"dataset": "adult"}}, r"^config: tasks: input should be a valid tuple"),
    "a number for a name": ({"models": [3]}, r"^config: models\.0: "),
    "not a number": (
        {"training": {"learning_rate": float("nan")}},
        r"^config: training\.learning_rate: .*\(found nan\)$",
    ),
    "infinite": ({"training": {"learning_rate": float("inf")}}, r"^config: training\.learning_rate: .*\(found inf\)$"),
    "ratio above 1": (
        {"worlds": [{"protocol": "ratio", "ratios": [0.5, 1.2]}]},
        r"^config: worlds\.0\.ratios\.1: input should be less than or equal to 1 \(found 1\.2\)$",
    ),
    "ratio below 0": (
        {"worlds": [{"protocol": "ratio", "ratios": [-0.1, 0.2]}]},
        r"^config: worlds\.0\.ratios\.0: input should be greater than or equal to 0 \(found -0\.1\)$",
    ),
    "three ratios": (
        {"worlds": [{"protocol": "ratio", "ratios": [0, 0.5, 1]}]},
        r"^config: worlds\.0: .*two ratios: .*k-ary",
    ),
    "two of many": (
        {"worlds": [{"protocol": "k-ary", "ratios": [0, 1]}]},
        r"^config: worlds\.0: .*three or more ratios",
    ),
    "falling ratios": (
        {"worlds": [{"protocol": "k-ary", "ratios": [0, 1, 0.5]}]},
        r"^config: worlds\.0: .*three or more ratios, rising",
    ),
    "repeats without 1": ({"repeats": [5]}, r"^config: repeats: .*1 must be among the repeats"),
    "knowledge twice": ({"knowledge": ["informed", "informed"]}, r"^config: knowledge: .*once"),
    "poison twice": ({"poison": {"shares": [0.1, 0.1]}}, r"^config: poison\.shares: .*once"),
    "another name for none": (
        {"defences": ["none", {"name": "none", "id": "plain"}]},
        r"^config: defences\.1\.id: .*leave its id out",
    ),
    "too much poison": ({"poison": {"shares": [0.6]}}, r"^config: poison\.shares\.0: "),
    "shadow model under a taken id": (
        {"shadow_models": [{"name": "mlp", "settings": {"widths": [9]}}]},
        r"^config: shadow_models: the id 'mlp' is also that of another model",
    ),
    "ratio without ratios": (
        {"worlds": [{"protocol": "ratio"}]},
        r"^config: worlds\.0: .*needs ratios: \[world 0, world 1, \.\.\.\]",
    ),
    "ratio with equal ratios": (
        {"worlds": [{"protocol": "ratio", "ratios": [0.5, 0.5]}]},
        r"^config: worlds\.0: .*two different ratios: .*use protocol equal",
    ),
    "equal with different ratios": (
        {"worlds": [{"protocol": "equal", "ratios": [0.3, 0.5]}]},
        r"^config: worlds\.0: .*two equal ratios: .*use protocol ratio",
    ),
    "pure with other ratios": (
        {"worlds": [{"protocol": "pure", "ratios": [0, 0.9]}]},
        r"^config: worlds\.0: .*ratios \[0, 1\]: leave them out",
    ),
    "unknown protocol": (
        {"worlds": [{"protocol": "mixed"}]},
        r"^config: worlds\.0\.protocol: unknown: choose from equal, fairness-poisoning, k-ary, label-flipping, membership, membership-poisoned, membership-unseen, pure, ratio, samples \(found 'mixed'\)$",
    ),
    "unknown mode": ({"ratio_mode": "equal"}, r"^config: ratio_mode: input should be 'natural' or 'label-balanced'"),
    "unknown knowledge": (
        {"knowledge": ["awake"]},
        r"^config: knowledge\.0: input should be 'unaware', 'aware' or 'informed'",
    ),
    "unknown dataset": (
        task(dataset="adlut"),
        r"^config: tasks\.0\.dataset: 'adlut' is unknown \(did you mean 'adult'\?\): choose from acs-income, adult, .*table, utkface$",
    ),
    "unknown label": (
        task(label="height"),
        r"^config: tasks\.0\.label: 'height' is unknown: choose from label$",
    ),
    "unknown attribute": (
        {"tasks": [{"dataset": "adult", "attribute": "sexx"}]},
        r"^config: tasks\.0\.attribute: 'sexx' is unknown \(did you mean 'sex'\?\): choose from sex, race, female-sales$",
    ),
    "unknown model": (
        {"models": ["mpl"]},
        r"^config: models\.0\.name: 'mpl' is unknown.*choose from cnn, estimator, histogram, .*tabular-diffusion$",
    ),
    "unknown defence": (
        {"defences": ["none", "fine-tune"]},
        r"^config: defences\.1\.name: 'fine-tune' is unknown \(did you mean 'finetune'\?\): choose from adversarial, .*threshold-optimizer$",
    ),
    "unknown attack": (
        {"attacks": ["loss", "kI"]},
        r"^config: attacks\.1\.name: 'kI' is unknown.*choose from accuracy-gap, .*worst-case$",
    ),
    "unknown attack of a task": (task(attacks=["lose"]), r"^config: tasks\.0\.attacks\.0\.name: 'lose' is unknown"),
    "unknown figure": (
        {"figures": ["leakage", "pie"]},
        r"^config: figures\.1: 'pie' is unknown.*: choose from attacks, bill, bound, .*tradeoff$",
    ),
    "victims not a multiple": (
        {"population": {"splits": 3, "victims": 10}},
        r"^config: population: victims \(10\) must be a multiple of splits \(3\): 9 or 12",
    ),
    "fewer victims than splits": (
        {"population": {"splits": 5, "victims": 3}},
        r"^config: population: victims \(3\) must be a multiple of splits \(5\): 5",
    ),
    "no rows for queries": (
        {"population": {"victim_share": 0.5, "adversary_share": 0.5}},
        r"^config: population: .*must leave rows for the query pool",
    ),
    "none is missing": ({"defences": ["fft"]}, r"^config: defences: `none` must be among the defences"),
    "none is missing in a task": (task(defences=["fft"]), r"^config: .*`none` must be among the defences"),
    "another plugin called none": (
        {"defences": ["finetune", {"name": "fft", "id": "none"}]},
        r"^config: defences\.1\.id: 'none' is the name of the undefended model",
    ),
    "equal ids": (
        {"defences": ["none", "fft", {"name": "fft", "settings": {"eo_weight": 2}}]},
        r"^config: defences: the id 'fft' is used 2 times: give each its own `id`$",
    ),
    "equal task ids": ({"tasks": [TASK, TASK]}, r"^config: tasks: the id 'synthetic-group' is used 2 times"),
    "a bad id": (
        {"attacks": [{"name": "kl", "id": "My KL"}]},
        r"^config: attacks\.0\.id: .*pattern.*\(found 'My KL'\)$",
    ),
    "a bad experiment name": ({"experiment": "../up"}, r"^config: experiment: .*pattern"),
    "closed form and fine-tuning": (
        {"models": ["histogram"]},
        r"^config: tasks\.0: defence 'finetune' cannot be applied to model 'histogram'.*give the task its own `defences`",
    ),
    "a plugin's unknown setting": (
        with_settings("attacks", "kl", clipp=0.1),
        r"^config: attacks\.0\.settings\.clipp: unknown key \(did you mean 'clip'\?\): allowed here: aggregate, clip$",
    ),
    "a plugin's bad value": (
        with_settings("attacks", "kl", aggregate="median"),
        r"^config: attacks\.0\.settings\.aggregate: input should be 'mean' or 'vote' \(found 'median'\)$",
    ),
    "a defence's bad value": (
        with_settings("defences", "fft-rehearsal", rehearsal=1.5),
        r"^config: defences\.1\.settings\.rehearsal: input should be less than or equal to 1 \(found 1\.5\)$",
    ),
    "a defence's bad reference": (
        with_settings("defences", "fft", eo_reference="all"),
        r"^config: defences\.1\.settings\.eo_reference: input should be 'batch', 'rehearsal\+batch' or 'held-out'",
    ),
    "a dataset's bad option": (
        task(options={"label_rates": [0.5, 1.5]}),
        r"^config: tasks\.0\.options\.label_rates\.1: input should be less than 1 \(found 1\.5\)$",
    ),
    "a reserved experiment name": (
        {"experiment": "store"},
        r"^config: experiment: 'store' is reserved: results/ has a folder of that name",
    ),
    "a pair of worlds twice": (
        {"worlds": [{"protocol": "pure"}, {"protocol": "pure", "ratios": [0, 1]}]},
        r"^config: worlds: pure \[0\.0, 1\.0\] appears 2 times: keep one$",
    ),
    "an attack called best": (
        {"attacks": [{"name": "kl", "id": "best"}]},
        r"^config: attacks\.0\.id: 'best' is the name of the best attack",
    ),
    "no tasks": ({"tasks": []}, r"^config: tasks: tuple should have at least 1 item"),
    "no attacks": ({"attacks": []}, r"^config: attacks: tuple should have at least 1 item"),
    "a long value": ({"title": ["x" * 500]}, r"^config: title: .*\.\.\.\)$"),
    "true for a number": ({"seed": True}, r"^config: seed: true is not a number: write one \(found true\)$"),
    "true in a list of numbers": ({"repeats": [1, True]}, r"^config: repeats: true is not a number"),
    "true for a 1": ({"poison": {"group": True}}, r"^config: poison\.group: true is not a number"),
    "true for a number or a word": (
        with_settings("defences", "fft", eo_weight=True),
        r"^config: defences\.1\.settings\.eo_weight: true is not a number",
    ),
    "text that only looks like a number": (
        {"seed": "010"},
        r"^config: seed: a number is written with digits.*\(found '010'\)$",
    ),
    "a number for text": ({"title": 2020}, r"^config: title: .*\(found 2020\): quote it if it is text$"),
    "nothing": ({"seed": None}, r"^config: seed: .*\(found nothing\): give it a value, or leave the key out$"),
    "a key of another level": (
        {"victims": 8},
        r"^config: victims: unknown key \(it belongs to 'population'; on the command line: --config 'population=\{victims: \.\.\.\}'\)",
    ),
    "a path for a key": ({"population:victims": 8}, r"unknown key \(it belongs to 'population'; on the command line: "),
    "a key of another group": (
        {"training": {"victims": 8}},
        r"^config: training\.victims: .*it belongs to 'population'",
    ),
    "a value for a group": (
        {"population": 8},
        r"^config: population: has keys of its own \(found 8\): allowed here: .*victims$",
    ),
    "a number as an id": (task(id="2018"), r"^config: tasks\.0\.id: '2018' is not a valid id: .*: write id-2018 "),
    "a missing value as an id": (
        {"attacks": [{"name": "kl", "id": "null"}]},
        r"^config: attacks\.0\.id: 'null' is not a valid id",
    ),
    "a device as a folder": (
        {"experiment": "aux"},
        r"^config: experiment: 'aux' is not a valid id: Windows .*: write id-aux",
    ),
    "absurdly many victims": (
        {"population": {"splits": 5, "victims": 10**12}},
        r"^config: population\.victims: input should be less than or equal to 1000000 \(found 1000000000000\)$",
    ),
    "beyond any whole number": (
        with_settings("attacks", "meta", folds=10**400),
        r"folds: no number here may be larger than",
    ),
    "a deep value": ({"title": functools.reduce(lambda deep, _: [deep], range(900))}, r"^config: title: .*\[\.\.\.\]"),
    "two mistakes": ({"seed": -1, "tau": 2}, r"^config: seed: .* \[and 1 more\]$"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_line(name):
    changes, text = CASES[name]
    message = refused(**changes)
    assert re.search(text, message), message


def models():
    """Yield every model of settings: the config's own, and the plugins'."""
    yield from (
        experiment.Experiment,
        tasks.Task,
        experiment.Population,
        experiment.Train,
        experiment.Engine,
        tasks.Poison,
    )
    for kind in ("datasets", "models", "defences", "attacks"):
        yield from (plugins.load(kind, name).Settings for name in plugins.names(kind))


def test_true_is_a_number_nowhere():
    """For each setting that holds numbers, in lists too, and takes no truth value."""
    asked = 0
    for model in models():
        for name in model.model_fields:
            kinds = _kinds(model, name)
            if kinds & {int, float} and not kinds & {bool, str}:
                asked += 1
                for value in (True, [True], [[0, True]]):
                    with pytest.raises(ValidationError, match="is not a number"):
                        model.model_validate({name: value})
    assert asked > 50


def test_whole_numbers_have_an_upper_bound():
    """A slip of some zeros must not ask for more than any machine has."""

    def unbounded(schema: object) -> bool:
        if isinstance(schema, list):
            return any(unbounded(one) for one in schema)
        if not isinstance(schema, dict):
            return False
        bounds = {"maximum", "exclusiveMaximum", "enum"}
        return (schema.get("type") == "integer" and not bounds & set(schema)) or unbounded(list(schema.values()))

    for model in models():
        for name, text in model.model_json_schema().get("properties", {}).items():
            assert str in _kinds(model, name) or not unbounded(text), f"{model.__module__}: {name}"


@pytest.mark.parametrize(("written", "value"), [("8", 8), ("8.0", 8), ("1e1", 10), (8.0, 8), ("+8", 8)])
def test_text_may_be_a_number(written, value):
    """Snakemake's --config gives all values below the top level as text, and YAML reads 1e1 for text."""
    assert config.load(tiny.raw(population={"splits": "1", "victims": written})).population.victims == value
    assert config.load(tiny.raw(training={"learning_rate": "1e-3"})).training.learning_rate == 0.001


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": {"splits": 2, "victims": 10**6, "shadows": 10**5}, "engine": {"job_seconds": 1e-9}}, "more than 10,000 jobs"),
        ({"tasks": [{**TASK, "rows": 10**7}], "population": {"splits": 5, "victims": 10**6}}, r"[0-9]+ TB of memory"),
    ],
)  # fmt: skip
def test_plans_that_no_machine_can_bear(changes, message):
    with pytest.raises(PopleakError, match=rf"^config: .*{message}.*: (raise|ask)"):
        tiny.build(**changes)


@pytest.mark.parametrize("name", ["My loss", "null"])
def test_a_plugin_of_a_name_that_is_no_id(monkeypatch, name):
    """A third party's may be registered under any name."""
    load, names = plugins.load, plugins.names
    monkeypatch.setattr(plugins, "names", lambda kind: (*names(kind), name) if kind == "attacks" else names(kind))
    monkeypatch.setattr(plugins, "load", lambda kind, wanted: load(kind, "loss" if wanted == name else wanted))
    assert (
        refused(attacks=[name])
        == f"config: attacks.0: the plugin's name {name!r} is not a valid id: give it one with `id`"
    )
    assert config.load(tiny.raw(attacks=[{"name": name, "id": "mine"}])).attacks[0].key == "mine"


def test_missing_tasks():
    raw = tiny.raw()
    del raw["tasks"]
    with pytest.raises(PopleakError, match=r"^config: tasks: missing: give it a value$"):
        config.load(raw)


def test_missing_dataset():
    assert refused(tasks=[{"rows": 100}]) == "config: tasks.0.dataset: missing: give it a value"


def test_a_falling_grid_is_refused():
    with pytest.raises(PopleakError):
        config.load(tiny.raw(**with_settings("defences", "fft", eo_grid=[4.0, 1.0])))


def test_a_negative_grid_is_refused():
    with pytest.raises(PopleakError):
        config.load(tiny.raw(**with_settings("defences", "fft", eo_grid=[-1.0, 1.0])))


def test_widths_below_one_are_refused():
    with pytest.raises(PopleakError):
        config.load(tiny.raw(**with_settings("models", "mlp", widths=[0])))


# What is accepted.


@pytest.mark.parametrize("written", [None, "null"])
def test_the_old_word_for_equal_worlds_is_read(written):
    worlds = config.load(tiny.raw(worlds=[{"protocol": written}])).worlds[0]
    assert (worlds.protocol, worlds.ratios) == ("equal", (0.5, 0.5))
    assert config.load(tiny.raw(worlds=[{"protocol": written, "ratios": [0.3, 0.3]}])).worlds[0].ratios == (0.3, 0.3)


def test_bare_names_are_choices():
    experiment = config.load(tiny.raw(worlds=["pure", "equal"], attacks=["loss"]))
    assert [worlds.protocol for worlds in experiment.worlds] == ["pure", "equal"]
    assert experiment.attacks[0].key == "loss"


def test_names_may_have_underscores():
    tasks = config.resolve(config.load(tiny.raw(defences=["none", "fft_rehearsal"], attacks=["accuracy_gap"])))
    assert tasks[0].defences[1].name == tasks[0].defences[1].id == "fft-rehearsal"
    assert tasks[0].attacks[0].id == "accuracy-gap"
    assert config.resolve(config.load(tiny.raw(tasks=[{"dataset": "synthetic_twin"}])))[0].dataset == "synthetic-twin"


def test_defaults_are_filled_in():
    task = config.resolve(config.load({"tasks": [{"dataset": "adult"}]}))[0]
    assert (task.id, task.label, task.attribute) == ("adult-sex", "income", "sex")
    assert [defence.id for defence in task.defences] == [
        "none",
        "finetune",
        "rehearsal",
        "scratch",
        "fft",
        "fft-rehearsal",
    ]
    assert task.defences[5].settings["rehearsal"] == 0.5
    assert [attack.id for attack in task.attacks] == ["accuracy-gap", "loss", "threshold", "kl", "meta"]


def test_a_task_may_have_its_own():
    own = {"models": ["prior"], "defences": ["none"], "attacks": ["ceiling"], "worlds": ["equal"]}
    one, two = config.resolve(config.load(tiny.raw(tasks=[TASK, {**TASK, **own, "id": "other"}])))
    assert [model.id for model in one.models] == ["mlp"]
    assert [two.models[0].id, two.defences[0].id, two.attacks[0].id, two.worlds[0].protocol] == [
        "prior", "none", "ceiling", "equal",
    ]  # fmt: skip


def controls(*defences) -> dict[str, str | None]:
    task = config.resolve(config.load(tiny.raw(defences=["none", *defences])))[0]
    return {defence.id: defence.control for defence in task.defences}


def test_a_control_shares_its_settings():
    found = controls(
        {"name": "rehearsal", "id": "r2", "settings": {"rehearsal": 0.2}},
        {"name": "rehearsal", "id": "r5"},
        {"name": "fft-rehearsal", "id": "f2", "settings": {"rehearsal": 0.2}},
        {"name": "fft-rehearsal", "id": "f5"},
        {"name": "fft-rehearsal", "id": "f9", "settings": {"rehearsal": 0.1}},
        {"name": "fft-rehearsal", "id": "long", "settings": {"epochs": 9}},
        "fft",
    )
    assert found == {
        "none": None,
        "r2": None,
        "r5": None,
        "f2": "r2",
        "f5": "r5",
        "f9": None,
        "long": None,
        "fft": None,
    }


def test_frozen():
    with pytest.raises(ValidationError):
        config.load(tiny.raw()).seed = 4


def test_merge_is_snakemakes():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert config.merge(base, {"a": {"y": [3]}, "c": 2}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": 2}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "expected a mapping"),
        ("", "expected a mapping"),
        (None, "no such config file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PopleakError, match=message) as error:
        config.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_data_dir(monkeypatch):
    monkeypatch.setenv("POPLEAK_DATA", "from-environment")
    assert str(config.data_dir(config.load(tiny.raw()))) == "from-environment"
    assert str(config.data_dir(config.load(tiny.raw(data_dir="own")))) == "own"
    monkeypatch.delenv("POPLEAK_DATA")
    assert config.data_dir(config.load(tiny.raw())) is None


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_shipped_experiments_are_valid(path):
    experiment = config.load(config.merge(config.read(FILES[0]), config.read(path)))
    assert experiment.title
    expected = "default" if path.name == "config.yaml" else path.stem
    assert experiment.experiment == expected, "each experiment has a folder of its own, named as its file"


# The schema.


def test_schema_is_in_step():
    """To make it anew, in the root of the checkout: `popleak schema > workflow/schemas/config.schema.json`."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json.loads(json.dumps(config.schema()))
    assert SCHEMA.read_text(encoding="utf-8") == json.dumps(config.schema(), indent=2, ensure_ascii=False) + "\n"


def _models():
    definitions = config.schema()["$defs"]
    return {"Experiment": config.schema(), **definitions}


@pytest.mark.parametrize("name", ["Experiment", "Task", "Worlds", "Population", "Train", "Engine", "Choice"])
def test_every_key_is_documented_and_no_other_is_allowed(name):
    model = _models()[name]
    assert model["additionalProperties"] is False
    for key, value in model["properties"].items():
        documented = value.get("description") or "$ref" in value
        assert documented, f"{name}.{key} has no text"


def test_schema_knows_the_plugins():
    text = json.dumps(config.schema()["$defs"])
    assert all(f'"{name}"' in text for kind in ("datasets", "attacks") for name in plugins.names(kind))


def test_access_leaves_out_attacks_that_need_more():
    attacks = ["loss", "kl", "meta"]
    tasks = config.resolve(config.load(tiny.raw(attacks=attacks, access=["labels"])))
    assert [attack.id for attack in tasks[0].attacks] == ["loss"]
    with pytest.raises(PopleakError, match=r"^config: access: .* leaves no attack"):
        config.load(tiny.raw(attacks=["kl"], access=["labels"]))


def test_a_task_changes_keys_of_the_population_and_the_training():
    """What it does not name stays the experiment's; its plan, its draws and its defences' controls follow."""
    tasks = [{"dataset": "synthetic", "id": "usual"}, {"dataset": "synthetic", "id": "few", "population": {"splits": 2, "victims": 6}, "training": {"epochs": 3}}]  # fmt: skip
    raw = {
        "tasks": tasks,
        "population": {"splits": 3, "victims": 9, "shadows": 5},
        "training": {"epochs": 7, "batch": 64},
    }
    usual, few = config.resolve(config.load(raw))
    assert (usual.population.splits, usual.training.epochs) == (3, 7)
    assert (few.population.splits, few.population.victims, few.population.shadows) == (2, 6, 5)
    assert (few.training.epochs, few.training.batch) == (3, 64)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"population": {"victims": 7}}, "tasks.0.population: victims (7) must be a multiple of splits (3): 6 or 9"),
        ({"population": {"victim": 6}}, "tasks.0.population.victim"),
        ({"training": {"epochs": 0}}, "tasks.0.training.epochs"),
        ({"training": {"validation": 0}, "defences": ["none", "finetune", {"name": "fft", "settings": {"eo_weight": "auto"}}]}, "training.validation is 0"),
    ],
)  # fmt: skip
def test_what_a_task_changes_is_checked(task, said):
    raw = {"tasks": [{"dataset": "synthetic", **task}], "population": {"splits": 3, "victims": 9}}
    with pytest.raises(PopleakError) as error:
        config.load(raw)
    assert said in str(error.value)
