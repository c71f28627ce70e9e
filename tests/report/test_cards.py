"""The report's section on data."""

from __future__ import annotations

import a_report
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
