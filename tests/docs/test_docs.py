"""The reference pages, the pages of results and the README's findings are what the code and the committed results say."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.measures import verdicts
from popleak.report import findings, gallery, page, published, readme, reference
from popleak.store import schema
from popleak.store.schema.search import SEARCHED

ROOT = tiny.ROOT
RESULTS = ROOT / "docs" / "results"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_reference_pages_are_current(name):
    """After a change of settings, columns or plugins: `make docs`."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == reference.pages()[name]


def test_the_gallery_is_current():
    """After a change of a figure's texts, or of what is committed in docs/results: `make docs`."""
    page = (ROOT / "docs" / gallery.PAGE).read_text(encoding="utf-8")
    assert page == gallery.text(ROOT / "docs", reference.NOTE)
    pictures = re.findall(r"\]\((results/[^)]*\.png)\)", page)
    assert len(pictures) > 15 and all((ROOT / "docs" / picture).is_file() for picture in pictures)
    told = re.findall(r"(?m)^(?:## |- \*\*)([a-z-]+)", page)
    assert sorted(told) == sorted(plugins.names("figures"))


def test_the_gallery_of_a_folder_without_results_lists_every_figure(tmp_path):
    page = gallery.text(tmp_path, reference.NOTE)
    assert page.count("- **") == len(plugins.names("figures")) and ".png" not in page


def documented(page: str) -> dict[str, set[str]]:
    """Return the keys in the tables of a page, by the heading above them."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif row := re.match(r"\| `([^`]+)` \| .* \| .* \| (.+) \|$", line):
            found.setdefault(heading, set()).add(row[1])
    return found


def test_every_key_of_the_schema_is_documented():
    """Walks the exported schema, so that a group of keys that is new is missed here if it is missed on the page."""
    schema, found = config.schema(), documented("config.md")
    assert found["Top level"] == set(schema["properties"])
    groups = dict(schema["$defs"])
    for name, group in groups.items():
        keys = set(group["properties"])
        assert keys in found.values(), f"{name}: {sorted(keys)} are on no page"
    assert len(found) == len(groups) + 1
    assert found["`poison`"] == {"shares", "group", "label"}


@pytest.mark.parametrize("kind", ["datasets", "models", "defences", "attacks"])
def test_every_setting_of_a_plugin_is_documented(kind):
    found = documented("plugins.md")
    for name in plugins.names(kind):
        keys = set(plugins.load(kind, name).Settings.model_fields)
        assert keys <= found.get(name, set()), f"{kind} {name}: {sorted(keys)}"


def test_every_column_is_documented():
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    for name, columns in (schema.TABLES | SEARCHED).items():
        section = text.split(f"## {name}.parquet")[1].split("## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [column.name for column in columns]


def test_best_is_in_the_tables_of_leakage_placebos_and_budgets_alone():
    about = {name: {column.name: column.about for column in columns} for name, columns in schema.TABLES.items()}
    assert [name for name in about if "`best`" in about[name].get("adversary", "")] == ["leakage", "placebo", "budgets"]


def test_pages_of_results_are_assembled_from_the_committed_files():
    """After a change: `popleak readme`."""
    pages = page.pages(RESULTS)
    assert RESULTS / "tables.md" in pages
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_the_readmes_findings_follow_from_the_committed_results():
    """After a change: `popleak readme`."""
    begin, end = readme.MARKERS
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.split(begin)[1].split(end)[0] == f"\n{readme.block(RESULTS, root=ROOT)}"
    assert len(text.splitlines()) <= 128 and "docs/glossary.md" in text


def test_the_readmes_experiments_are_rows_of_the_page_of_all():
    row = re.compile(r"^\| `[\w-]+` \|.*$", re.MULTILINE)
    every = set(row.findall((ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")))
    shown = row.findall((ROOT / "README.md").read_text(encoding="utf-8").split("## Experiments")[1].split("## ")[0])
    assert shown and set(shown) <= every


def test_verdicts_on_the_page_are_those_of_the_table():
    claims = pd.read_csv(RESULTS / "tables" / "claims.csv")
    shares = pd.read_csv(RESULTS / "tables" / "constant.csv").set_index(readme.KEYS)["constant"]
    shown = page.verdicts(claims, findings.mostly_constant(shares)).strip()
    assert shown in (RESULTS / "tables.md").read_text(encoding="utf-8")
    assert set(claims["verdict"]) <= set(verdicts.WORDS)


def test_what_the_page_says_of_the_published_curve_follows_from_the_committed_points():
    points = pd.read_csv(RESULTS / "ratios" / "ratios.csv")
    text = (RESULTS / "ratios.md").read_text(encoding="utf-8")
    said = published.sentences(points)
    assert said and [sentence for sentence in said if sentence not in text] == []


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = (line.lstrip("#").strip() for line in lines if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_links_in_the_docs_lead_somewhere():
    for source in [ROOT / "README.md", ROOT / "ARTIFACT.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if source.name == "block.md" and source.parent.name != "benchmarks":  # a part of a page
            continue
        for target, _, anchor in re.findall(r"\]\(([^)#]*)(#([^)]+))?\)", source.read_text(encoding="utf-8")):
            aim = source.parent / target if target else source
            assert target.startswith("http") or aim.exists(), f"{source.name}: {target}"
            assert not anchor or target.startswith("http") or anchor in anchors(aim), (
                f"{source.name}: {target}#{anchor}"
            )


def test_readme_without_markers_is_refused(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("nothing here", encoding="utf-8")
    with pytest.raises(PopleakError, match="lacks the lines"):
        page.write(
            experiment={"experiment": "x"}, tables={}, cards=[], figures={"leakage": tmp_path / "f.png"}, folder=tmp_path / "o", page=path,
        )  # fmt: skip
    assert not (tmp_path / "o").exists()
