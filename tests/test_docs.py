"""The reference pages and the README's block are what the code and the committed results say."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import tiny
from popleak import readme, reference

ROOT = tiny.ROOT
RESULTS = ROOT / "docs" / "results" / "tables"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_reference_pages_are_current(name):
    """After a change of settings, columns or plugins: `make docs`."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == reference.pages()[name]


def test_readme_block_is_the_committed_one():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    inside = text.split(readme.BEGIN)[1].split(readme.END)[0].strip()
    assert inside == (RESULTS / "block.md").read_text(encoding="utf-8").strip()


def test_verdicts_in_the_readme_are_those_of_the_table():
    claims = pd.read_csv(RESULTS / "claims.csv")
    assert readme.verdicts(claims).strip() in (RESULTS / "block.md").read_text(encoding="utf-8")
    assert set(claims["verdict"]) <= {"holds", "fails", "cannot tell", "not applicable"}


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
            figure=tmp_path / "f.png",
            folder=tmp_path / "o",
            readme=page,
        )
    assert not (tmp_path / "o").exists()
