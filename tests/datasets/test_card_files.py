"""Cards as files: Croissant and RAI without a network, every field with who knows it, and nothing that the code says otherwise."""

from __future__ import annotations

import json
import socket

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
    known = plugin.card(plugin.Settings.model_validate(EXAMPLES["table"]))
    made = _made_cards.card(
        "table", "a table", known, generated=False, columns=["g", "y", "years of age"], files={"a table.csv": "0" * 64}
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
        assert not (known["by"] == _cards.UNKNOWN and known["verified"]), field
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
    "attributes": (lambda card: {**card, "popleak:sensitiveAttribute": [{"name": "sex"}]}, "popleak:sensitiveAttribute: must be"),
    "identifiers": (lambda card: {**card, "popleak:directIdentifiers": "name"}, "popleak:directIdentifiers: must be a list of columns"),
    "withdrawn": (lambda card: {**card, "popleak:withdrawn": {"reason": "x"}}, "popleak:withdrawn: must be null, or a date and a reason"),
    "counts": (lambda card: {**card, "popleak:expected": [{"selection": "all", "rows": -1}]}, "popleak:expected: must be"),
    "rates": (
        lambda card: {**card, "popleak:expected": [{"selection": "all", "groups": {"sex": {"labelRates": [0.5, 2]}}}]},
        "popleak:expected: must be",
    ),
    "files": (lambda card: {**card, "distribution": [{"name": "a"}]}, "distribution: must be"),
    "text": (lambda card: {**card, "rai:dataBiases": 3}, "rai:dataBiases: must be text"),
    "who": (lambda card: {**card, _cards.KNOWN_BY: {"name": {"by": "me", "verified": True}}}, "popleak:knownBy: must be for each field"),
    "nobody": (
        lambda card: {**card, _cards.KNOWN_BY: {key: one for key, one in card[_cards.KNOWN_BY].items() if key != "url"}},
        "popleak:knownBy: says nothing of url",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_card_of_another_form_is_refused(kind):
    change, said = MUTATIONS[kind]
    with pytest.raises(PopleakError, match=f"^somewhere: {said.replace('(', '[(]')}"):
        _cards.of("german", change(content("german")), "somewhere")


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
