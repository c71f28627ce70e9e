"""The report's section on data."""

from __future__ import annotations

import a_report
from popleak.core import uses
from popleak.datasets import _cards
from popleak.report import cards

SEX = {"title": "Adult", "source": "an address", "licence": "CC", "rows": 10, "group_rows": (4, 6), "attribute": "sex",
       "attribute_in_features": False, "options": {"year": 2018, "file": "a"}, "placebo": None}  # fmt: skip


def test_one_entry_a_dataset_with_its_variants_in_a_line():
    shuffled = [SEX | {"placebo": {"number": number}} for number in (1, 2)]
    found = cards.entries(
        [SEX, SEX | {"attribute_in_features": True}, *shuffled, SEX | {"attribute": "race", "group_rows": (1, 9)}, SEX | {"title": "Other"}]
    )  # fmt: skip
    assert [one["title"] for one in found] == ["Adult", "Other"]
    assert found[0]["first"] == [("source", "an address"), ("licence", "CC")]
    assert (
        found[0]["variants"]
        == "4 variants: sex; sex, which is a feature too; sex, with the group column shuffled (2 placebos); race."
    )
    facts = dict(found[0]["facts"])
    assert facts["rows"] == "10" and "sex: 4, 6" in facts["group rows"] and "race: 1, 9" in facts["group rows"]
    assert found[1]["variants"] == "" and dict(found[1]["facts"])["group rows"] == "4, 6"


def test_options_name_a_variant_where_they_differ():
    other = SEX | {"options": {"year": 2019, "file": "a"}}
    (found,) = cards.entries([SEX, other])
    assert found["variants"] == "2 variants: sex, year 2018; sex, year 2019."


def test_a_card_without_settings():
    (found,) = cards.entries([a_report.CARD])
    assert found["variants"] == "" and found["first"] == [
        ("source", "https://example.org/adult"),
        ("licence", "CC BY 4.0"),
    ]
    assert dict(found["facts"])["attributes"] == "sex: groups: Male, Female; recorded: by the survey"


def about(title, permitted, forbidden=()):
    return uses.label(
        dataset=title, title=title, purpose="p", permitted=permitted, forbidden=forbidden, consent="scraped"
    )


def test_what_all_cards_permit_is_said_and_what_is_unknown():
    one, two = about("Faces", ["research"], ["showing records"]), about("Adult", ["research", "teaching"])
    assert cards.together({}) == ""
    assert cards.together({"a" * 64: one, "b" * 64: two}) == (
        "The cards of all data behind these tables permit research; at least one forbids showing records."
    )
    assert cards.together({"a" * 64: two, "c" * 64: about("Mine", "unknown")}) == (
        "No use is known to be permitted for all data behind these tables, since nothing is known of Mine; none forbids a use."
    )


def test_the_table_of_cards_links_to_the_datasheets():
    content = _cards.packaged("digits").content
    (entry,) = cards.entries([SEX | {"datasheet": content, "digest": "d" * 64}])
    rows = cards.used({"d" * 64: about("Adult", ["research"]), "e" * 64: about("Other", "unknown")}, [entry])
    assert [(row["title"], row["place"], row["permitted"], row["forbidden"]) for row in rows] == [
        ("Adult", f"data-{'d' * 12}", "research", "none"),
        ("Other", "", "unknown", "none"),
    ]
    lines = {line.field: line for _, part in entry["sheets"][0] for line in part}
    assert "digits.csv.gz (sha256" in lines["files"].text and lines["version"].text == "unknown"
    assert "datasheet" not in dict(entry["facts"]) and "digest" not in dict(entry["facts"])
