"""What a card says is enforced: data that contradict it stop the plan or the loader, with the cause."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import tiny
from own_tables import LOANS, people, put
from popleak.cli import stages
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _cards
from popleak.datasets._fetch import locate
from popleak.plan import build as plan
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
    change(name, popleak__expected=[{"selection": "all", "rows": 1000, "labelRate": 0.7, "groups": groups}])
    with pytest.raises(PopleakError, match=r"german\.data: (rows|label rate) of (Male|Female): expected .*, found"):
        load(step_of(built), tmp_path, [path])


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
    assert "  card: 21 of 30 fields are unknown, " in capsys.readouterr().out
    (tmp_path / "config.yaml").write_text(
        json.dumps(tiny.raw(tasks=[{**own(tmp_path, carded, drop=["name"]), **SMALL}]))
    )
    assert stages.main(["check"]) == 0
    assert "  card: 18 of 30 fields are unknown, " in capsys.readouterr().out
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
