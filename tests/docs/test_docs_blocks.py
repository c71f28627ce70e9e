"""Whatever the docs show as code runs: a block that nothing runs, and that does not say why, fails."""

from __future__ import annotations

import pytest

import doc_blocks
from popleak.cli import stages

BLOCKS = [block for page in doc_blocks.PAGES for block in doc_blocks.blocks(page)]
SPANS = sorted({(page, span) for page in doc_blocks.PAGES for span in doc_blocks.spans(page)})
USERS = {
    "data/loans.csv": "age,job,sex,name,customer_id,repaid\n"
    + "".join(
        f"{20 + i % 50},{('clerk', 'cook')[i % 3 % 2]},{('male', 'female')[i % 2]},n{i},{i},{('yes', 'no')[i // 2 % 2]}\n"
        for i in range(8000)
    )
}
"""Files that a reader is meant to have."""


IN_ORDER = {"tutorial.md"}
"""Pages whose Python needs what their commands leave behind: `test_tutorial` does them step by step."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in USERS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}), ids=lambda page: page.name)
def test_every_block_runs(page, folder):
    names: dict = {"__name__": "docs"}
    for block in BLOCKS:
        if block.page == page and not (block.language == "python" and page.name in IN_ORDER):
            doc_blocks.run(block, names, folder)


def test_the_tables_that_the_page_on_own_models_makes_are_judged(folder, capsys):
    """Its first command once named files that nobody had."""
    page = next(page for page in doc_blocks.PAGES if page.name == "own-models.md")
    for block in BLOCKS:
        if block.page == page and block.language == "python":
            doc_blocks.run(block, {"__name__": "docs"}, folder)
    capsys.readouterr()
    assert stages.main(["judge", "answers.csv", "--points", "points.csv", "--attacks", "kl"]) == 0
    assert "above" in capsys.readouterr().out


def test_there_are_blocks_of_every_kind():
    run = [block for block in BLOCKS if block.excuse is None]
    assert {block.language for block in run} >= {"python", "yaml", "toml", ""}
    assert {block.page.name for block in run} >= {"README.md", "extend.md"}
    assert SPANS


@pytest.mark.parametrize(("page", "span"), SPANS, ids=lambda one: getattr(one, "name", one))
def test_every_command_in_the_text_is_one(page, span):
    doc_blocks.command(span, page)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nfrom popleak import nothing\n```", "cannot import"),
        ("```python\ndef test_x():\n    assert 1 == 2, 'the test of the page'\n```", "the test of the page"),
        ("```yaml\nexperiment: x\nno_such_key: 1\n```", "no_such_key"),
        ("```yaml\ntasks: [{dataset: table, options: {path: b.csv}}]\n```", "no file stands for b.csv"),
        ("```rust\nfn main() {}\n```", "nothing here runs 'rust'"),
        ("```\nsome words\n```", "not known to be a command"),
        ("    a diagram -> of something\n", "not known to be a command"),
        ("```bash\nsnakemake --no-such-option\n```", "is refused"),
        ("```bash\nsnakemake --cores 1 --configfile nothing.yaml\n```", "no file"),
        ("```bash\nsnakemake --cores 1 nothing\n```", "no rule nothing"),
        ("```bash\npopleak plan --no-such-option\n```", "is refused"),
        ("    make nothing\n", "no target nothing"),
        ("    python benchmarks/training.py --nothing 1\n", "has no --nothing"),
        ("```toml\n[project.entry-points.'popleak.nothing']\na = 'b:C'\n```", "no kind of plugin"),
    ],
    ids=lambda one: " ".join(one.split())[:40],
)
def test_a_block_that_is_wrong_is_found(text, message, folder, capsys):
    page = folder / "page.md"
    page.write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    with pytest.raises(Exception, match=message):
        for block in doc_blocks.blocks(page):
            doc_blocks.run(block, {}, folder)
    page.write_text(f"# A page\n\n<!-- not run: for a reason -->\n\n{text}\n", encoding="utf-8")
    for block in doc_blocks.blocks(page):
        doc_blocks.run(block, {}, folder)
    page.write_text(f"# A page\n\n<!-- not run: -->\n\n{text}\n", encoding="utf-8")
    assert all(block.excuse is None for block in doc_blocks.blocks(page)), "a mark gives its reason"
