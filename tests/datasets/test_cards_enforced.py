"""What a card says is enforced: data that contradict it stop the plan or the loader, with the cause."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from dataset_checks import EXAMPLES
from own_tables import LOANS, people, put
from popleak.cli import card, stages
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _cards, _made_cards
from popleak.datasets._fetch import locate
from popleak.plan import build as plan
from popleak.report import datasheets
from popleak.stages import dataset
from popleak.store import parquet as store

DATA = config.data_dir(config.load(tiny.raw()))
SMALL = {"rows": 20, "query_rows": 10}
COUNTED = {"selection": "all", "rows": 1797, "digits": [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]}


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """The package's cards, copied, to be changed."""
    folder = tmp_path / "cards"
    shutil.copytree(_cards.FOLDER, folder)
    monkeypatch.setattr(_cards, "FOLDER", folder)
    return folder


def change(name: str, **fields) -> None:
    """Change fields of a card, `__` standing for the colon."""
    path = _cards.place(name)
    card = json.loads(path.read_text(encoding="utf-8"))
    card.update({key.replace("__", ":"): value for key, value in fields.items()})
    path.write_text(json.dumps({key: value for key, value in card.items() if value != "gone"}), encoding="utf-8")


def build(**task):
    return tiny.build(tasks=[{**SMALL, **task}])


def step_of(built: plan.Plan):
    return next(iter(built.steps["dataset"].values()))


def load(step, folder: Path, files=()) -> dict:
    """Run a step of the stage `dataset` by hand, whatever card it was planned with; return the facts of its file."""
    settings = dataclasses.replace(step.settings, card="")
    dataset.run(settings=settings, files=files, output=folder / "out.parquet", step=step.id, code="test")
    return store.facts(folder / "out.parquet")


# ---- D2: the package's own cards


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"popleak__consent": "gone"}, "lacks the field popleak:consent"),
        ({"popleak__withdrawn": {"date": "2030-01-01", "reason": "a person asked for it"}}, "withdrawn on 2030-01-01 .a person asked for it"),
        ({"popleak__directIdentifiers": ["pixel 3,4"]}, "column 'pixel 3,4' would be read, and is a direct identifier by its card"),
    ],
)  # fmt: skip
def test_what_can_be_known_before_a_job_is(cards, tmp_path, fields, said):
    built = build(dataset="digits")
    change("digits", **fields)
    with pytest.raises(PopleakError, match=f"^config: tasks: digits-large: .*{said}") as caught:
        build(dataset="digits")
    assert "\n" not in str(caught.value)
    with pytest.raises(PopleakError, match=said):
        load(step_of(built), tmp_path)


def digest(name: str, value: str) -> dict:
    """Return a card's files with another digest."""
    card = json.loads(_cards.place(name).read_text(encoding="utf-8"))
    return {"distribution": [{**one, "sha256": value} for one in card["distribution"]]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (digest("digits", "0" * 64), r"digits\.csv\.gz: sha256 expected 0{64}, found 09f66e6d"),
        ({"popleak__expected": [{**COUNTED, "digits": [177, 183, *COUNTED["digits"][2:]]}]}, "not the 1797 pictures expected"),
    ],
)  # fmt: skip
def test_data_that_contradict_the_card_are_not_loaded(cards, tmp_path, fields, said):
    built = build(dataset="digits")
    load(step_of(built), tmp_path)
    change("digits", **fields)
    with pytest.raises(PopleakError, match=said):
        load(step_of(built), tmp_path)


@pytest.mark.parametrize(
    ("name", "groups"),
    [("german", {"sex": {"rows": [691, 309], "labelRates": [0.7232, 0.6484]}}),
     ("german", {"sex": {"rows": [690, 310], "labelRates": [0.7232, 0.6584]}})],
)  # fmt: skip
def test_changed_shares_and_rates_of_real_data(cards, tmp_path, name, groups):
    (source,) = plugins.load("datasets", name).sources(None)
    if (path := locate(name, source, DATA)) is None:
        pytest.skip("POPLEAK_DATA does not point to a folder with the file")
    built = build(dataset=name)
    assert load(step_of(built), tmp_path, [path])["card"]["rows"] == 1000
    (one,) = _cards.packaged(name).content["popleak:expected"]
    change(name, popleak__expected=[{**one, "groups": {**one["groups"], **groups}}])
    with pytest.raises(PopleakError, match=r"german\.data: (rows|label rate) of (Male|Female): expected .*, found"):
        load(step_of(built), tmp_path, [path])


def counts(one: dict) -> Iterator[tuple[str, dict]]:
    """Yield each count of a selection by name, and the selection with that count changed."""
    for key in ("rows", "labelRate"):
        if key in one:
            yield key, {**one, key: one[key] + 1 if key == "rows" else round(one[key] - 0.01, 4)}
    for name, group in one.get("groups", {}).items():
        rows, rates = group["rows"], group.get("labelRates")
        changed = {"rows": [rows[0] - 1, rows[1]]} | ({"labelRates": [rates[0], rates[1] - 0.01]} if rates else {})
        for key in changed:
            yield f"{name}.{key}", {**one, "groups": {**one["groups"], name: {**group, key: changed[key]}}}


@pytest.mark.parametrize("name", ["adult", "compas", "german", "lsac"])
def test_every_count_of_a_card_is_compared(cards, name):
    """What is shown as counted is enforced, whichever attribute a task has."""
    plugin = plugins.load("datasets", name)
    options = plugin.Settings()
    files = {one.file: locate(name, one, DATA) for one in plugin.sources(options)}
    if None in files.values():
        pytest.skip("POPLEAK_DATA does not point to a folder with the file")
    true = _cards.packaged(name).content["popleak:expected"]
    for number, one in enumerate(true):
        for count, changed in counts(one):
            change(name, popleak__expected=[*true[:number], changed, *true[number + 1 :]])
            attribute = count.partition(".")[0] if "." in count else plugin.attributes[0]
            with pytest.raises(PopleakError, match=r"expected [0-9.]+, found"):
                plugin.load(files=files, label=plugin.labels[0], attribute=attribute, options=options, seed=1)


def test_generated_records_that_the_law_does_not_give_are_refused(tmp_path, monkeypatch):
    built = build(dataset="synthetic", options={"rows": 4000})
    load(step_of(built), tmp_path)
    plugin = plugins.load("datasets", "synthetic")
    true = type(plugin).load
    monkeypatch.setattr(
        type(plugin), "load", lambda self, **given: dataclasses.replace(one := true(self, **given), y=1 - one.y)
    )
    with pytest.raises(PopleakError, match=r"dataset synthetic: label rate of group 0: expected 0\.3500, found 0\.6"):
        load(step_of(built), tmp_path)


def test_a_feature_made_of_an_identifier_is_refused(cards, tmp_path):
    """Also where a plugin does not say which columns it reads."""
    built = build(dataset="synthetic", options={"rows": 800})
    change("synthetic", popleak__directIdentifiers=["x0"])
    with pytest.raises(PopleakError, match="dataset synthetic: column 'x0' would be read"):
        load(step_of(built), tmp_path)


def test_a_changed_card_makes_all_results_stale(cards):
    before = build(dataset="digits")
    change("digits", description="other words")
    after = build(dataset="digits")
    stale = {step.stage for step in before.all_steps()}
    assert not {step.id for step in before.all_steps() if step.stage != "report"} & {
        step.id for step in after.all_steps()
    }
    assert {"dataset", "train", "attack", "tables", "report"} <= stale
    with pytest.raises(PopleakError, match=r"digits\.json: changed since this run was planned: repeat the command"):
        step = step_of(before)
        dataset.run(settings=step.settings, output=Path("out"), step=step.id, code="test")


# ---- a user's own table and its own card


def own(folder: Path, card: Path | None = None, **options) -> dict:
    given = {**LOANS, "path": str(folder / "loans.csv"), **options, **({"card": str(card)} if card else {})}
    return {"dataset": "table", "id": "loans", "placebo": 0, "options": given}


@pytest.fixture
def carded(tmp_path, capsys, monkeypatch):
    """A table with names of people, and the card that `popleak card` makes of it."""
    put(tmp_path, people(name=lambda i: f"Person{i} Namesake{i}"))
    (tmp_path / "config.yaml").write_text(json.dumps(tiny.raw(tasks=[{**own(tmp_path, drop=["name"]), **SMALL}])))
    monkeypatch.chdir(tmp_path)
    assert stages.main(["card", "--output", "card.json"]) == 0
    assert "fields are unknown" in capsys.readouterr().out
    return tmp_path / "card.json"


def test_a_made_card_is_enforced_and_agrees_with_its_table(carded, tmp_path):
    built = build(**own(tmp_path, carded, drop=["name"]))
    step = step_of(built)
    facts = load(step, tmp_path, [tmp_path / "loans.csv", carded])
    about = _cards.given("table", carded)
    assert facts["cards"] == {about.digest: about.label()} and step.settings.card == about.digest
    assert about.identifiers() == ("name",) and facts["card"]["rows"] == facts["rows"]
    assert facts["card"]["attributes"]["sex"]["rows"] == facts["facts"]["group_rows"]
    assert "Person1" not in carded.read_text(encoding="utf-8")


def edit(path: Path, **fields) -> None:
    card = json.loads(path.read_text(encoding="utf-8"))
    card.update({key.replace("__", ":"): value for key, value in fields.items()})
    path.write_text(json.dumps({key: value for key, value in card.items() if value != "gone"}), encoding="utf-8")


OWN = {
    "identifier in capitals": (
        {"popleak__directIdentifiers": ["name", "Age"]}, r"card\.json: popleak:directIdentifiers: 'Age' is no column of the data .did you mean 'age'"
    ),
    "identifier with a blank": ({"popleak__directIdentifiers": ["name", "age "]}, "'age ' is no column of the data .did you mean 'age'"),
    "identifier renamed": ({"popleak__directIdentifiers": ["names"]}, "'names' is no column of the data .did you mean 'name'"),
    "identifier of another table": ({"popleak__directIdentifiers": ["qqq"]}, "'qqq' is no column of the data .age, sex, job, repaid, name.: correct it, or take"),
    "counts of nothing": ({"popleak__expected": [{"selection": "whole", "rows": 5}]}, "popleak:expected.0.selection: nothing compares 'whole'"),
    "another label's counts": ({"popleak__expected": [{"selection": "all", "label": "debt", "rows": 5}]}, "popleak:expected.0.label: nothing compares 'debt'"),
    "columns": (
        {"recordSet": [{"name": "a", "field": [{"name": "age", "dataType": "sc:Integer"}]}]}, "recordSet: describes no column 'sex': add it"
    ),
    "lacks": ({"popleak__purpose": "gone"}, r"card\.json: lacks the field popleak:purpose"),
    "withdrawn": ({"popleak__withdrawn": {"date": "2030-01-01", "reason": "consent ended"}}, "withdrawn on 2030-01-01 .consent ended"),
    "identifier": ({"popleak__directIdentifiers": ["name", "age"]}, "column 'age' would be read.*add it to options.drop"),
    "label": ({"popleak__label": [{"name": "other", "meaning": "x"}]}, "popleak:label: says nothing of 'repaid'"),
    "groups": (
        {"popleak__sensitiveAttribute": [{"name": "sex", "groups": ["a", "b"], "recorded": "unknown", "how": "unknown"}]},
        "popleak:sensitiveAttribute: says nothing of 'sex' with the groups 'male' and 'female'",
    ),
    "file": ({"distribution": []}, r"distribution: describes no file loans\.csv"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OWN)
def test_what_a_card_of_ones_own_says_is_enforced_before_a_job(carded, tmp_path, kind):
    fields, said = OWN[kind]
    edit(carded, **fields)
    with pytest.raises(PopleakError, match=f"^config: tasks: loans: .*{said}") as caught:
        build(**own(tmp_path, carded, drop=["name"]))
    assert "\n" not in str(caught.value)


def test_another_table_than_the_cards_is_refused_before_a_job(carded, tmp_path):
    table = tmp_path / "loans.csv"
    table.write_text(table.read_text().replace("yes", "no", 1))
    with pytest.raises(
        PopleakError,
        match=r"loans\.csv: sha256 expected [0-9a-f]{64} by its card .*, found [0-9a-f]{64}: give the file",
    ):
        build(**own(tmp_path, carded, drop=["name"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: {**one, "rows": one["rows"] + 1}, "rows: expected 201, found 200: correct the one that is wrong"),
        (lambda one: {**one, "groups": {"sex": {"rows": [119, 81]}}}, "rows of male: expected 119, found 120"),
        (lambda one: {**one, "labelRate": 0.5}, r"label rate: expected 0\.5, found 0\.7150"),
        (lambda one: {**one, "groups": {"sex": {"labelRates": [0.71, 0.5]}}}, r"label rate of male: expected 0\.71, found 0\.7083"),
    ],
)  # fmt: skip
def test_other_counts_than_the_cards_are_refused_on_load(carded, tmp_path, change, said):
    (one,) = json.loads(carded.read_text())["popleak:expected"]
    edit(carded, popleak__expected=[change(one)])
    step = step_of(build(**own(tmp_path, carded, drop=["name"])))
    with pytest.raises(PopleakError, match=said):
        load(step, tmp_path, [tmp_path / "loans.csv", carded])


def test_a_table_without_a_card_says_that_the_rest_is_unknown(tmp_path):
    put(tmp_path, people())
    facts = load(step_of(build(**own(tmp_path))), tmp_path, [tmp_path / "loans.csv"])
    (label,) = facts["cards"].values()
    assert (label["permitted"], label["consent"], label["forbidden"]) == ("unknown", "unknown", [])
    assert facts["datasheet"]["popleak:withdrawn"] is None and facts["datasheet"]["popleak:purpose"] == "unknown"


def test_an_identifier_misspelt_lets_nothing_pass(tmp_path, capsys, monkeypatch):
    """Strings of people would be features, named by their values."""
    put(tmp_path, people(handle=lambda i: f"Zq{i % 4}Person"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(json.dumps(tiny.raw(tasks=[{**own(tmp_path), **SMALL}])))
    assert stages.main(["card", "--output", "card.json"]) == 0
    path = tmp_path / "card.json"
    assert step_of(build(**own(tmp_path, path)))
    edit(path, popleak__directIdentifiers=["Handle"])
    (tmp_path / "config.yaml").write_text(json.dumps(tiny.raw(tasks=[{**own(tmp_path, path), **SMALL}])))
    capsys.readouterr()
    assert stages.main(["check"]) == 2
    said = capsys.readouterr().err
    assert "card.json: popleak:directIdentifiers: 'Handle' is no column of the data (did you mean 'handle'?)" in said
    with pytest.raises(PopleakError, match="is no column of the data"):
        build(**own(tmp_path, path))
    edit(path, popleak__directIdentifiers=["handle"])
    with pytest.raises(PopleakError, match=r"column 'handle' would be read, .*add it to options.drop"):
        build(**own(tmp_path, path))
    edit(path, popleak__directIdentifiers=["handle"])
    assert step_of(build(**own(tmp_path, path, drop=["handle"])))


@pytest.mark.parametrize("name", ["compas", "utkface"])
def test_an_identifier_misspelt_in_a_card_of_the_package(cards, name):
    about = _cards.packaged(name)
    about.refuse_identifiers(about.columns()[-1:], "x")
    change(name, popleak__directIdentifiers=["Name"])
    with pytest.raises(PopleakError, match=r"'Name' is no column of the data .did you mean 'name'"):
        _cards.packaged(name).refuse_identifiers((), "x")


@pytest.mark.parametrize(
    ("feature", "named"), [("Name", 1), ("name=Zq", 1), ("n ame missing", 1), ("a=b=c", 1), ("names", 0), ("a", 0)]
)
def test_a_dataset_that_names_no_columns_is_held_by_its_features(feature, named):
    known = dataclasses.replace(plugins.load("datasets", "german").card(None), identifiers=("name", "a=b"))
    about = _made_cards.card("mine", "of mine", known, generated=False)
    if not named:
        return about.refuse_features([feature], "x")
    with pytest.raises(PopleakError, match="would be read, and is a direct identifier"):
        about.refuse_features([feature], "x")


def test_counts_of_one_label_are_not_those_of_another(carded, tmp_path):
    """A card may describe several labels; the task's own counts are compared, in whichever order they stand."""
    card = json.loads(carded.read_text())
    (one,), labels = card["popleak:expected"], card["popleak:label"]
    other = {"selection": "all", "label": "other", "rows": 7}
    for expected in ([other, {**one, "label": "repaid"}], [{**one, "label": "repaid"}, other]):
        edit(carded, popleak__expected=expected, popleak__label=[*labels, {"name": "other", "meaning": "x"}])
        step = step_of(build(**own(tmp_path, carded, drop=["name"])))
        assert load(step, tmp_path, [tmp_path / "loans.csv", carded])["card"]["rows"] == 200
    edit(carded, popleak__expected=[other, {**one, "label": "repaid", "rows": 201}])
    step = step_of(build(**own(tmp_path, carded, drop=["name"])))
    with pytest.raises(PopleakError, match="rows: expected 201, found 200"):
        load(step, tmp_path, [tmp_path / "loans.csv", carded])


def lines_of(about: _cards.CardFile) -> dict[str, tuple[str, str]]:
    return {line.field: (line.text, line.who) for _, part in datasheets.sheet(about.content) for line in part}


def test_a_made_card_says_no_more_than_is_known(tmp_path):
    """Nobody said that no column names people, that the data were not withdrawn, or whose they are; types are what the loader takes values for."""
    put(tmp_path, people(handle=lambda i: f"h{i % 4}", h=lambda i: (i % 9) / 2, person=lambda i: f"p{i}"))
    experiment = config.load(tiny.raw(tasks=[{**own(tmp_path, drop=["person"]), **SMALL}]))
    (task,) = config.resolve(experiment)
    counted = card.measured(experiment, task)
    plugin = plugins.load("datasets", "table")
    bare = plugin.made(plugin.Settings.model_validate({**LOANS, "path": "loans.csv"}))
    for about in (counted, bare):
        said = lines_of(about)
        unknown = (
            "withdrawn",
            "citation",
            "licence",
            "description",
            "consent",
            "purpose",
            *(["direct identifiers"] if about is bare else []),
        )
        assert {field: said[field] for field in unknown} == dict.fromkeys(unknown, ("unknown", "unknown"))
    assert lines_of(counted)["direct identifiers"] == ("person", "package: the options (not verified)")
    text, who = lines_of(counted)["columns"]
    assert text.endswith(
        "integer: `age`; text: `sex`, `job`, `repaid`, `handle`; float: `h`; not read, type unknown: `person`"
    )
    assert who.startswith("measured: the header, and what the loader takes the values for")
    missing, unchecked = bare.lacks()
    assert len(missing) + len(unchecked) == len(bare[_cards.KNOWN_BY])


def test_types_of_columns_are_what_the_loader_takes_them_for(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({
        "n": [1, 2, None, 4], "f": [0.5, 1, 2, 3], "t": ["1", "2", "3", "x"], "b": [True, False, True, False],
        "d": pd.to_datetime(["2020-01-01"] * 4), "y": [0, 1, 0, 1], "g": ["u", "v", "u", "v"],
    })  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    plugin = plugins.load("datasets", "table")
    options = plugin.Settings.model_validate({**EXAMPLES["table"], "path": "t.parquet"})
    assert plugin.types(files={"t.parquet": tmp_path / "t.parquet"}, options=options) == {
        "n": "sc:Integer", "f": "sc:Float", "t": "sc:Text", "b": "sc:Boolean", "d": "sc:DateTime", "y": "sc:Integer", "g": "sc:Text"
    }  # fmt: skip


def test_where_the_table_and_its_card_lie_changes_nothing(carded, tmp_path):
    here = step_of(build(**own(tmp_path, carded, drop=["name"]))).id
    (tmp_path / "elsewhere").mkdir()
    for name in ("loans.csv", "card.json"):
        shutil.move(tmp_path / name, tmp_path / "elsewhere" / name)
    moved = own(tmp_path / "elsewhere", tmp_path / "elsewhere" / "card.json", drop=["name"])
    assert step_of(build(**moved)).id == here


# ---- the commands


def test_check_says_what_a_card_lacks(carded, tmp_path, capsys):
    assert stages.main(["check"]) == 0
    assert "  card: 25 of 30 fields are unknown, " in capsys.readouterr().out
    (tmp_path / "config.yaml").write_text(
        json.dumps(tiny.raw(tasks=[{**own(tmp_path, carded, drop=["name"]), **SMALL}]))
    )
    assert stages.main(["check"]) == 0
    assert "  card: 22 of 30 fields are unknown, " in capsys.readouterr().out
    edit(carded, popleak__consent="gone")
    assert stages.main(["check"]) == 2
    assert "card.json: lacks the field popleak:consent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "card.json"], "card.json: exists: name another file"),
        (["--output", "new.json", "--task", "other"], "--task other: name one of loans"),
    ],
)
def test_card_refuses_what_it_cannot_write(carded, capsys, words, said):
    before = carded.read_text()
    assert stages.main(["card", *words]) == 2
    assert said in capsys.readouterr().err
    assert carded.read_text() == before and not Path("new.json").exists()


def test_card_needs_a_table_of_ones_own(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(json.dumps(tiny.raw()))
    assert stages.main(["card", "--output", "card.json"]) == 2
    assert "no task of the config has the dataset `table`" in capsys.readouterr().err
