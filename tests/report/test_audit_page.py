"""The page of an audit in a browser, of made-up tables: what a reader sees without colours, on a phone, and by a screen reader."""

from __future__ import annotations

import re

import pytest

import audit_pages
import browsing
from browsing import NARROW, WIDE
from popleak.measures.lights import CLEAR, LEAK, OPEN
from popleak.report import advice, audit_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return audit_pages.write(tmp_path_factory.mktemp("audit"))


def test_rows_that_no_model_sees_are_told():
    card = {"title": "table loans", "rows_without_label": 305, "rows_in_neither_group": 1189}
    known = {**card, "values_in_neither_group": {"d": 71}}
    assert "1,189 in neither group (71 of 'd'): no model" in advice._rows_left_out(known)
    assert advice._loses(card) and not advice._loses({"title": "x", "rows_without_label": 0})
    assert advice._rows_left_out(card) == (
        "Table loans: 305 without a label and 1,189 in neither group: no model sees these rows, and no light speaks of them."
    )


def test_each_light_is_a_word_and_a_shape(report):
    text = report.read_text(encoding="utf-8")
    shown = re.findall(r'<span class="light (\w+)">(\S+) (\w+)</span>', text)
    assert shown and {look for look, _, _ in shown} == {word for _, _, word in shown} == {CLEAR, LEAK, OPEN}
    assert {(sign, word) for _, sign, word in shown} == {(sign, word) for word, sign in advice.SIGNS.items()}
    assert len(set(advice.SIGNS.values())) == 3


def test_lights_stand_in_the_file_as_on_the_page(report):
    found = audit_file.read(report.with_suffix(".json"))
    text = report.read_text(encoding="utf-8")
    words = [word for word in re.findall(r'<td><span class="light (\w+)">', text)]
    assert words == [one.light for one in found.lights]
    plain = text.replace("&#39;", "'").replace('</p>\n<p class="headline">', " ")
    assert found.sentence in plain and found.trained in plain.replace("<code>", "").replace("</code>", "")


@browsing.needed
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW])
def test_nothing_serious_is_found_by_axe(opened, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(viewport, color_scheme=scheme)
    found = axe.Axe().run(page).response
    assert not [one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")], found[
        "violations"
    ]


@browsing.needed
def test_lights_differ_without_colours(opened):
    """In greys: a filled box, an outlined one and a dashed one."""
    page = opened()

    def look(word):
        return page.eval_on_selector(
            f".lights .light.{word}",
            "one => [getComputedStyle(one).borderTopStyle, getComputedStyle(one).backgroundColor !== 'rgba(0, 0, 0, 0)']",
        )

    assert len({tuple(look(word)) for word in (CLEAR, LEAK, OPEN)}) == 3


@browsing.needed
def test_lights_are_read_on_a_phone_without_scrolling(opened):
    page = opened(NARROW)
    rights = page.eval_on_selector_all(
        ".lights :is(.light, svg, .why)", "all => all.map(one => one.getBoundingClientRect().right)"
    )
    assert rights and max(rights) <= NARROW["width"]


@browsing.needed
def test_the_claims_are_folded_away(opened):
    page = opened()
    assert not page.locator("#claims table").is_visible()
    page.locator("#claims summary").click()
    assert page.locator("#claims table").is_visible()
