"""The report in a browser: headless Chromium, driven through Playwright. Skipped where there is no Chromium (Debian: `apt install chromium`)."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import a_report
import browsing
import fake_tables
from browsing import NARROW, WIDE
from popleak.report import build

pytestmark = [pytest.mark.slow, browsing.needed]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    frames = fake_tables.tables(**a_report.SMALL)
    tasks = a_report.SMALL["tasks"]
    judged = frames["claims"][frames["claims"]["claim"] == "C2s"].assign(claim="C1", kind="gap-falls")
    assert sorted(judged["task"]) == sorted(tasks)  # on more than one, so that its table stands beside it
    frames["claims"] = pd.concat([judged, frames["claims"]], ignore_index=True)
    kinds = {task: {"none": "none", "fft-rehearsal": "fft-rehearsal"} for task in tasks}
    return a_report.write(tmp_path_factory.mktemp("browser"), frames, figures=a_report.FIGURES, kinds=kinds)


@pytest.fixture(scope="module")
def long_report(tmp_path_factory):
    """A report whose table of the answer has more rows than stand above the answer in words."""
    frames = fake_tables.tables(models=("mlp", "logistic"), victims=4)
    return a_report.write(tmp_path_factory.mktemp("long"), frames)


def texts(page, table, column):
    """Return the texts of a column's cells in the rows that are shown."""
    return page.eval_on_selector(
        f"#{table}",
        """(table, title) => {
            const i = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === title);
            return [...table.tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[i].textContent);
        }""",
        column,
    )


def test_every_figure_loads_and_the_page_is_small(opened, report):
    page = opened()
    widths = page.eval_on_selector_all("figure img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) == len(a_report.FIGURES) and min(widths) > 300
    assert report.stat().st_size < 15e6


def test_a_table_is_sorted_by_keyboard(opened):
    page = opened()
    button = page.locator("#models th button", has_text=re.compile("^accuracy$"))
    button.focus()
    page.keyboard.press("Enter")
    head = button.locator("xpath=..")
    assert head.get_attribute("aria-sort") == "ascending" and head.get_attribute("scope") == "col"
    up = [float(text) for text in texts(page, "models", "accuracy")]
    assert up == sorted(up) and len(set(up)) > 3
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    down = [float(text) for text in texts(page, "models", "accuracy")]
    assert down == sorted(up, reverse=True)
    assert page.locator("#models th[aria-sort]").count() == 1


def test_gaps_beside_the_reported_one_are_sorted_as_numbers(opened):
    page = opened()
    table = page.locator("table.data", has_text="Reported and measured gaps")
    button = table.locator("th button", has_text="before, both")
    button.click()
    shown = [float(text.split()[0]) for text in table.locator("tbody td:nth-child(4)").all_text_contents()]
    assert len(shown) == 2 and shown == sorted(shown)
    button.click()
    again = [float(text.split()[0]) for text in table.locator("tbody td:nth-child(4)").all_text_contents()]
    assert again == shown[::-1] and shown[0] != shown[1]


def test_filters_hide_rows_and_count_them(opened):
    page = opened()
    assert set(texts(page, "leakage", "adversary")) == {"best"}  # as the page starts
    page.locator(".filters[data-for=leakage] label", has_text="adversary").locator("select").select_option("kl")
    page.locator(".filters[data-for=leakage] label", has_text="defence").locator("select").select_option("fft")
    assert set(texts(page, "leakage", "adversary")) == {"kl"} and set(texts(page, "leakage", "defence")) == {"fft"}
    shown = len(texts(page, "leakage", "adversary"))
    assert page.locator(".filters[data-for=leakage] [role=status]").text_content().startswith(f"{shown} of ")


def test_a_figure_is_enlarged_by_keyboard_and_by_click(opened):
    page = opened()
    button = page.locator("#figure-gap button.zoom")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    sources = [page.locator(one).get_attribute("src") for one in ("dialog img", "#figure-gap img")]
    assert sources[0] == sources[1]
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.closest('figure')?.id") == "figure-gap"
    button.click()
    page.locator("dialog button").click()
    assert not page.locator("dialog").is_visible()


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_no_serious_finding_of_axe(opened, viewport, scheme):
    """Axe checks the contrast of texts by WCAG AA, too."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(viewport, color_scheme=scheme)
    found = axe.Axe().run(page).response
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]
    assert not serious
    passed = {one["id"] for one in found["passes"]}
    assert {"color-contrast", "scrollable-region-focusable", "image-alt", "select-name"} <= passed


def test_nothing_sticks_out_on_a_phone(opened):
    page = opened(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    wide = page.eval_on_selector_all(
        ".scroll", "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).length"
    )
    assert wide > 0  # tables scroll inside their box


@pytest.mark.parametrize(("which", "first"), [("report", ".answers"), ("long_report", ".parts")])
def test_the_answer_in_numbers_and_in_words_are_on_the_first_screen(opened, request, which, first):
    page = opened({"width": 1280, "height": 900}, at=request.getfixturevalue(which))
    box = "document.querySelector('.answers').parentElement"
    assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth") and page.evaluate(f"{box}.clientWidth") == 1112
    words, table = (
        page.evaluate(f"document.querySelector('{one}').getBoundingClientRect().top") for one in (".parts", ".answers")
    )
    assert words < 900
    assert (".parts" if words < table else ".answers") == first
    assert (page.locator(".answers tbody tr").count() > build.MOST_ROWS) == (first == ".parts")


def test_the_term_is_judged_after_the_shares_that_it_is_judged_by(opened):
    page = opened()
    heads = page.locator(".answers thead th").all_inner_texts()
    assert [text.split("\n")[0] for text in heads] == [
        "task", "no defence", "fft-rehearsal", "fft-rehearsal", "control", "what the fairness term adds",
    ]  # fmt: skip
    assert page.locator(".answers tbody tr").first.locator("td").last.locator(".badge").count() == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_the_answers_numbers_are_read_on_a_phone(opened, scripts):
    page = opened(NARROW, java_script_enabled=scripts)
    cells = page.locator(".answers tbody tr").first.locator("td")
    numbers = [cells.nth(i).locator("strong").first for i in range(cells.count())]
    assert len(numbers) == 5
    for number in numbers:
        side = number.bounding_box()
        assert number.is_visible() and side["x"] >= 0 and side["x"] + side["width"] <= NARROW["width"]
    label = "getComputedStyle(document.querySelector('.answers td'), '::before').content"
    assert not scripts or "no defence" in page.evaluate(label)


def test_the_verdicts_at_a_glance_show_on_a_phone(opened):
    page = opened(NARROW)
    lefts = page.eval_on_selector_all(
        "#verdicts tbody tr td:nth-child(4) .badge", "all => all.map(one => one.getBoundingClientRect().left)"
    )
    assert lefts and max(lefts) < NARROW["width"] - 60


@pytest.mark.parametrize("viewport", [WIDE, NARROW])
@pytest.mark.parametrize("table", ["#leakage", "#models", "#verdicts table", "#table-of-claim-C6"])
def test_the_first_column_stays_when_a_table_is_scrolled(opened, long_report, viewport, table):
    page = opened(viewport, at=long_report)
    left, scrolled, moved, hidden = page.eval_on_selector(
        table,
        """table => {
            const row = [...table.tBodies[0].rows].find(one => !one.hidden), cell = row.cells[0], last = row.cells[row.cells.length - 1];
            const box = table.parentElement;
            const before = last.getBoundingClientRect().left, side = one => one.getBoundingClientRect().left;
            box.style.width = "300px";
            box.scrollLeft = 1e6;
            const back = getComputedStyle(cell).backgroundColor;
            return [side(cell) - side(box), box.scrollLeft, side(last) < before, back === getComputedStyle(document.body).backgroundColor];
        }""",
    )
    assert scrolled > 50 and moved and abs(left) <= 2 and hidden


def test_captions_and_verdicts_are_read_on_a_phone_without_scrolling(opened):
    page = opened(NARROW)
    sides = page.eval_on_selector_all(
        ".caption", "all => all.map(one => [one.getBoundingClientRect().left, one.getBoundingClientRect().right])"
    )
    assert len(sides) == page.locator(".scroll table").count()
    assert all(left >= 0 and right <= NARROW["width"] for left, right in sides)
    assert not page.locator(".scroll .caption").count(), "a caption scrolls with its table"
    badges = page.eval_on_selector_all(".answers .badge", "all => all.map(one => one.getBoundingClientRect().right)")
    assert badges and max(badges) <= NARROW["width"]


def test_dark_where_the_reader_wants_it(opened):
    def light(page):
        return sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]))

    assert light(opened(color_scheme="light")) > 700 and light(opened(color_scheme="dark")) < 120


def test_it_prints_with_what_is_folded(opened):
    page = opened(color_scheme="dark")
    folded = "document.getElementById('config').checkVisibility()"
    assert not page.evaluate(folded)
    page.emulate_media(media="print")
    assert page.evaluate(folded)
    assert not page.locator(".filters").first.is_visible() and not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('#leakage td')).position") == "static"
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") > 5


def test_without_scripts_all_rows_are_shown(opened):
    page = opened(java_script_enabled=False)
    rows = page.locator("#leakage tbody tr")
    assert rows.count() == len(fake_tables.tables(**a_report.SMALL)["leakage"])
    assert rows.last.is_visible() and page.locator("#figure-gap img").is_visible()
