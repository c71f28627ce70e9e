"""Cards as files: Croissant and RAI without a network, every field with who knows it, and nothing that the code says otherwise."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import replace

import pytest

from dataset_checks import EXAMPLES
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.uses import USES
from popleak.datasets import _acs_groups, _cards, _made_cards, bias_in_bios, compas, digits, utkface
from popleak.report import datasheets

NAMES = [name for name in plugins.names("datasets") if name != "table"]
TOLERATED = ("Version doesn't follow", "schema.org/datePublished")
"""What mlcroissant warns of, and what most publishers do not say."""


def content(name: str) -> dict:
    return json.loads(_cards.place(name).read_text(encoding="utf-8"))


def no_network(*_, **__):
    raise AssertionError("the network was asked for")


@pytest.fixture
def offline(monkeypatch):
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)


def validated(path) -> None:
    """Raise unless mlcroissant accepts a card, with no warning but of what is not known."""
    import mlcroissant

    issues = mlcroissant.Dataset(str(path)).metadata.ctx.issues
    assert not issues.errors
    assert all(any(one in said for one in TOLERATED) for said in issues.warnings), issues.warnings


# ---- D1: what a stranger's validator says


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_croissant_and_rai(name, offline):
    validated(_cards.place(name))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
def test_a_made_card_is_too(tmp_path, offline):
    plugin = plugins.load("datasets", "table")
    known = replace(plugin.card(plugin.Settings.model_validate(EXAMPLES["table"])), rows=10, label_rate=0.5)
    made = _made_cards.card(
        "table", "a table", known, generated=False, columns={"g": "sc:Text", "y": "sc:Integer", "years of age": ""}, files={"a table.csv": "0" * 64}
    )  # fmt: skip
    (tmp_path / "card.json").write_text(json.dumps(made.content), encoding="utf-8")
    validated(tmp_path / "card.json")
    missing, unchecked = made.lacks()
    assert "popleak:consent" in missing and "popleak:label" in unchecked and "popleak:expected" not in missing


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
def test_the_validator_refuses_a_file_without_a_digest(tmp_path, offline):
    import mlcroissant

    broken = content("german")
    del broken["distribution"][0]["sha256"]
    (tmp_path / "card.json").write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(mlcroissant.ValidationError, match="sha256"):
        validated(tmp_path / "card.json")


# ---- what a card says


def test_every_dataset_has_a_card_and_every_card_a_dataset():
    assert {path.stem for path in _cards.FOLDER.glob("*.json")} == {name.replace("-", "_") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_fields_terms_and_who_knows_them(name):
    about = _cards.packaged(name)
    assert about["@context"] == dict(_made_cards.CONTEXT)
    required = _cards.required(about.content)
    assert set(about[_cards.KNOWN_BY]) == set(required)
    assert set(about.content) - {"@context", "@type", "conformsTo"} == {*required, _cards.KNOWN_BY} | (
        {_cards.UNPINNED} & set(about.content)
    )
    for field, known in about[_cards.KNOWN_BY].items():
        empty = about[field] in (_cards.UNKNOWN, [], None)
        assert empty or known["by"] != _cards.UNKNOWN, f"{field}: said, and nobody knows it"
        assert known["by"] == _cards.UNKNOWN or about[field] != _cards.UNKNOWN, (
            f"{field}: unknown, and somebody knows it"
        )
    assert not set(about["popleak:forbiddenUse"]) & set(about["popleak:permittedUse"])
    assert set(about["popleak:forbiddenUse"]) <= set(USES)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_code_names_is_what_the_card_names(name):
    """Names of labels, attributes and columns are in both, since code compares them; all else is in the card alone."""
    plugin, about = plugins.load("datasets", name), _cards.packaged(name)
    options = plugin.Settings.model_validate(EXAMPLES.get(name, {}))
    assert [one["name"] for one in about["popleak:label"]] == list(plugin.labels)
    assert [one["name"] for one in about["popleak:sensitiveAttribute"]] == list(plugin.attributes)
    for label in plugin.labels:
        assert plugin.card_of(label, options).label.startswith(f"{label}: ")
    read = set(plugin.reads(files={}, options=options))
    spelt = {"STATE", "RELP", "RELSHIPP", "PINCP", "PWGTP", "hard_text"}  # of files that the card does not pin
    assert read - spelt <= set(about.columns())
    assert not read & set(about.identifiers())


@pytest.mark.parametrize(
    ("name", "groups"),
    [("compas", compas.GROUPS), ("utkface", utkface.GROUPS), ("digits", digits.GROUPS),
     ("acs-income", {name: one.names for name, one in _acs_groups.GROUPS.items()}),
     ("bias-in-bios", {"gender": bias_in_bios.GROUPS})],
)  # fmt: skip
def test_groups_are_those_of_the_card(name, groups):
    known = {one["name"]: tuple(one["groups"]) for one in _cards.packaged(name)["popleak:sensitiveAttribute"]}
    assert known == groups


@pytest.mark.parametrize("name", NAMES)
def test_the_datasheet_says_every_field(name):
    about = _cards.packaged(name)
    shown = {field for _, fields in datasheets.PARTS for field, _ in fields}
    assert set(about[_cards.KNOWN_BY]) - shown == {"name"}
    lines = [line for _, part in datasheets.sheet(about.content) for line in part]
    assert all(line.text and "{" not in line.text.replace("{year}", "").replace("{state}", "") for line in lines)
    assert name in datasheets.page()


# ---- what is refused when a card is read


MUTATIONS = {
    "no object": (lambda card: [card], "not a card: give a JSON object"),
    "conforms to nothing": (lambda card: {**card, "conformsTo": "x"}, "conformsTo: must be"),
    "consent": (lambda card: {**card, "popleak:consent": "given"}, "popleak:consent: must be one of obtained,"),
    "use": (lambda card: {**card, "popleak:permittedUse": ["anything"]}, "popleak:permittedUse: must be 'unknown', or a list of research"),
    "forbidden": (lambda card: {**card, "popleak:forbiddenUse": "unknown"}, "popleak:forbiddenUse: must be a list"),
    "attributes": (lambda card: {**card, "popleak:sensitiveAttribute": [{"name": "sex"}]}, "popleak:sensitiveAttribute.0.groups: missing"),
    "identifiers": (lambda card: {**card, "popleak:directIdentifiers": "name"}, "popleak:directIdentifiers: must be a list of columns"),
    "withdrawn": (lambda card: {**card, "popleak:withdrawn": {"reason": "x"}}, "popleak:withdrawn.date: missing: give it a value"),
    "counts": (lambda card: {**card, "popleak:expected": [{"selection": "all", "rows": -1}]}, "popleak:expected.0.rows: input should be greater"),
    "rates": (
        lambda card: {**card, "popleak:expected": [{"selection": "all", "groups": {"sex": {"labelRates": [0.5, 2]}}}]},
        "popleak:expected.0.groups.sex.labelRates.1: input should be less than or equal to 1",
    ),
    "files": (lambda card: {**card, "distribution": [{"name": "a"}]}, "distribution.0.@id: missing"),
    "text": (lambda card: {**card, "rai:dataBiases": 3}, "rai:dataBiases: must be text"),
    "who": (lambda card: {**card, _cards.KNOWN_BY: {"name": {"by": "me", "verified": True}}}, "popleak:knownBy.name.by: input should be"),
    "nobody": (
        lambda card: {**card, _cards.KNOWN_BY: {key: one for key, one in card[_cards.KNOWN_BY].items() if key != "url"}},
        "popleak:knownBy: says nothing of url",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_card_of_another_form_is_refused(kind):
    change, said = MUTATIONS[kind]
    with pytest.raises(PopleakError, match=f"^{re.escape(f'somewhere: {said}')}"):
        _cards.of("german", change(content("german")), "somewhere")


GERMAN = content("german")
ALL = GERMAN["popleak:expected"][0]
UNREAD = {
    "a selection": ({"popleak:expected": [{**ALL, "selection": "whole"}]}, "popleak:expected.0.selection: nothing compares 'whole': choose from all"),
    "a rate": ({"popleak:expected": [{"selection": "all", "label_rate": 0.7}]}, "popleak:expected.0.label_rate: unknown key (did you mean 'labelRate'?)"),
    "rows": ({"popleak:expected": [{"selection": "all", "row": 5}]}, "popleak:expected.0.row: unknown key (did you mean 'rows'?)"),
    "rows in words": ({"popleak:expected": [{"selection": "all", "rows": "1000"}]}, "popleak:expected.0.rows: input should be a valid integer"),
    "an attribute": (
        {"popleak:expected": [{**ALL, "groups": {"SEX": ALL["groups"]["sex"]}}]}, "popleak:expected.0.groups: nothing compares 'SEX' (did you mean 'sex'?)"
    ),
    "a label": ({"popleak:expected": [{**ALL, "label": "debt"}]}, "popleak:expected.0.label: nothing compares 'debt': choose from credit"),
    "twice": ({"popleak:expected": [ALL, ALL]}, "popleak:expected.1: the selection 'all' was counted before"),
    "other counts": ({"popleak:expected": [{**ALL, "digits": [100] * 10}]}, "popleak:expected.0: nothing compares 'digits'"),
    "sums": ({"popleak:expected": [{**ALL, "rows": 5}]}, "popleak:expected.0: rows are 5, and those of groups.sex 1,000"),
    "classes": ({"popleak:expected": [{**ALL, "classes": {"a": [1]}}]}, "popleak:expected.0.classes.a: list should have at least 2 items"),
    "no classes": ({"popleak:expected": [{**ALL, "classes": 3}]}, "popleak:expected.0.classes: input should be a valid dictionary"),
    "digits": ({"popleak:expected": [{**ALL, "digits": 3}]}, "popleak:expected.0.digits: input should be a valid list"),
    "no number": ({"popleak:expected": [{**ALL, "groups": {"sex": {"rows": [None, 310]}}}]}, "popleak:expected.0.groups.sex.rows.0: input should be"),
    "nobody": ({"popleak:expected": [{**ALL, "groups": {"sex": {"rows": [0, 0]}}}]}, "popleak:expected.0.groups.sex.rows.0: input should be greater"),
    "no columns": ({"recordSet": [{**GERMAN["recordSet"][0], "field": []}]}, "recordSet.0.field: list should have at least 1 item"),
    "types": ({"recordSet": [{"name": "a", "field": [{"name": "b", "dataType": ["sc:Text"]}]}]}, "recordSet.0.field.0.dataType: input should be"),
    "no digest": ({"distribution": [{**GERMAN["distribution"][0], "sha256": "none"}]}, "distribution.0.sha256: string should match"),
    "a file twice": ({"distribution": 2 * GERMAN["distribution"]}, "distribution: 'german.data' is there twice"),
    "unpinned": ({"popleak:unpinned": [{"file": "a", "why": "b", "rows": "many"}]}, "popleak:unpinned.0.rows: input should be a valid integer"),
    "a field": ({"popleak:notes": "x"}, "popleak:notes: nothing reads it: correct the name, or take it out"),
    "a field misspelt": ({"popleak:unpined": []}, "popleak:unpined: nothing reads it (did you mean 'popleak:unpinned'?)"),
    "a generator's files": ({"popleak:generatedFields": []}, "distribution: nothing reads it"),
    "who knows more": (
        {_cards.KNOWN_BY: {**GERMAN[_cards.KNOWN_BY], "popleak:notes": {"by": "unknown", "verified": False}}},
        "popleak:knownBy.popleak:notes: is no field of this card",
    ),
    "verified by nobody": (
        {_cards.KNOWN_BY: {**GERMAN[_cards.KNOWN_BY], "url": {"by": "unknown", "verified": True}}},
        "popleak:knownBy.url: what nobody is known to know is not verified",
    ),
    "verified nowhere": (
        {_cards.KNOWN_BY: {**GERMAN[_cards.KNOWN_BY], "url": {"by": "paper", "verified": True}}},
        "popleak:knownBy.url: what a paper says is verified against something: name it",
    ),
    "not a number": ({"contentSize": float("nan")}, "holds NaN, Infinity or half a character"),
    "half a character": ({"description": "\ud800"}, "holds NaN, Infinity or half a character"),
}  # fmt: skip
"""Fields, keys and names that nothing reads, and values that would break what shows them."""


@pytest.mark.parametrize("packaged", [True, False])
@pytest.mark.parametrize("kind", UNREAD)
def test_what_nothing_reads_is_refused_with_its_key(kind, packaged):
    fields, said = UNREAD[kind]
    with pytest.raises(PopleakError) as caught:
        _cards.of("german", {**GERMAN, **fields}, "mine.json", packaged=packaged)
    assert str(caught.value).startswith(f"mine.json: {said}") and "\n" not in str(caught.value)


UNSAID = {
    "no selection": ({"popleak:expected": []}, "popleak:expected: lacks the selection 'all'"),
    "no count": ({"popleak:expected": [{"selection": "all"}]}, "popleak:expected.0: lacks groups, labelRate, rows"),
    "an attribute": (
        {"popleak:expected": [{**ALL, "groups": {"sex": ALL["groups"]["sex"]}}]}, "popleak:expected.0.groups.age: lacks rows"
    ),
    "no file": ({"distribution": []}, "distribution: says nothing"),
    "no columns": ({"recordSet": []}, "recordSet: says nothing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSAID)
def test_what_is_compared_stands_in_the_packages_own_cards(kind):
    fields, said = UNSAID[kind]
    card = {**GERMAN, **fields}
    with pytest.raises(PopleakError, match=f"^{re.escape(f'mine.json: {said}')}"):
        _cards.of("german", card, "mine.json", packaged=True)
    mine = _cards.of("table", card, "mine.json")
    (field,) = fields
    if kind != "an attribute":
        assert datasheets.said(card, field) == datasheets.who(card, field) == "unknown"
        assert field in mine.lacks()[0] and field not in _cards.of("table", GERMAN, "x").lacks()[0]


def test_counts_by_label_lack_no_label():
    card = content("utkface")
    card["popleak:expected"] = card["popleak:expected"][:1]
    with pytest.raises(
        PopleakError, match=r"^x: popleak:expected: lacks the selection 'complete' of the label 'age-over-30'"
    ):
        _cards.of("utkface", card, "x", packaged=True)


def test_what_is_unknown_is_not_counted_as_known_whoever_is_named():
    known = {**GERMAN[_cards.KNOWN_BY], "rai:dataBiases": {"by": "paper", "reference": "a", "verified": True}}
    card = _cards.of("table", {**GERMAN, "rai:dataBiases": "unknown", _cards.KNOWN_BY: known}, "x")
    assert "rai:dataBiases" in card.lacks()[0] and datasheets.who(card.content, "rai:dataBiases") == "unknown"


@pytest.mark.parametrize("field", [*_cards.required(content("german")), _cards.KNOWN_BY])
def test_a_card_that_lacks_a_field_is_refused(field):
    card = content("german")
    del card[field]
    with pytest.raises(PopleakError, match=f"^here: lacks the field {field}: add it"):
        _cards.of("german", card, "here")


@pytest.mark.parametrize("text", ["", "no", "[", '{"a": 1, "a": 2}', "[" * 100_000])
def test_what_is_no_json_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(PopleakError, match=r"card\.json: not a card \(") as caught:
        _cards.given("table", tmp_path / "card.json")
    assert "\n" not in str(caught.value)


def test_the_digest_is_of_what_a_card_says_and_not_of_its_layout(tmp_path):
    card = content("german")
    digests = set()
    for indent in (None, 4):
        path = tmp_path / f"{indent}.json"
        path.write_text(json.dumps(card, indent=indent), encoding="utf-8")
        digests.add(_cards.given("german", path).digest)
    assert digests == {_cards.packaged("german").digest}
    assert _cards.of("german", {**card, "description": "another"}, "x").digest not in digests
