"""The reference pages and the README's block are what the code and the committed results say."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.measures import verdicts
from popleak.report import published, readme, reference
from popleak.store import schema

ROOT = tiny.ROOT
RESULTS = ROOT / "docs" / "results" / "tables"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_reference_pages_are_current(name):
    """After a change of settings, columns or plugins: `make docs`."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == reference.pages()[name]


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
    for name, columns in schema.TABLES.items():
        section = text.split(f"## {name}.parquet")[1].split("## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [column.name for column in columns]


def test_best_is_in_the_tables_of_leakage_and_placebos_alone():
    about = {name: {column.name: column.about for column in columns} for name, columns in schema.TABLES.items()}
    assert [name for name in about if "`best`" in about[name].get("adversary", "")] == ["leakage", "placebo"]


def test_readme_blocks_are_the_committed_ones():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    experiments = re.findall(r"<!-- results of (\S+): begin", text)
    assert experiments[0] == RESULTS.name and len(set(experiments)) == len(experiments)
    for name in experiments:
        begin, end = readme.markers(name)
        inside = text.split(begin)[1].split(end)[0].strip()
        assert inside == (RESULTS.parent / name / "block.md").read_text(encoding="utf-8").strip()


def test_verdicts_in_the_readme_are_those_of_the_table():
    claims = pd.read_csv(RESULTS / "claims.csv")
    assert readme.verdicts(claims).strip() in (RESULTS / "block.md").read_text(encoding="utf-8")
    assert set(claims["verdict"]) <= set(verdicts.WORDS)


def test_what_the_readme_says_of_the_published_curve_follows_from_the_committed_points():
    """The sentences are those of the report: with new points in docs/results/ratios, put them into the README."""
    points = pd.read_csv(ROOT / "docs" / "results" / "ratios" / "ratios.csv")
    if "twin_task" not in points:
        pytest.skip("the committed points do not say yet which models see the attribute")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said = published.sentences(points)
    assert said and [sentence for sentence in said if sentence not in text] == []


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_without_markers_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing here", encoding="utf-8")
    with pytest.raises(readme.PopleakError, match="lacks the lines"):
        readme.write(
            title="t",
            tau=0.1,
            tables={},
            cards=[],
            absent=[],
            cautions=[],
            figures={"leakage": tmp_path / "f.png"},
            folder=tmp_path / "o",
            readme=page,
        )
    assert not (tmp_path / "o").exists()
