"""The docs as a site: built without a warning, loads nothing from elsewhere, holds every page, and is searched without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import tiny

ABSENT = find_spec("mkdocs") is None or find_spec("material") is None
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ABSENT, reason="mkdocs-material is not installed: pip install '.[docs]'"),
]
LOADED = re.compile(r"""(?:<(?:script|img|iframe|source|video)\b[^>]*\bsrc|<link\b[^>]*\bhref)=["']?(https?:)?//""")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=tiny.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site):
    brought = {"index", "artifact", "benchmarks", "changelog", "security"}
    pages = {path.stem for path in (tiny.ROOT / "docs").glob("*.md")} | brought
    assert {path.stem for path in site.glob("*.html")} == pages | {"404"}
    results = {path.stem for path in (tiny.ROOT / "docs" / "results").glob("*.md")} - {"README"}
    assert {path.stem for path in (site / "results").glob("*.html")} == results | {"index"}


def test_nothing_is_loaded_from_elsewhere(site):
    texts = {path: path.read_text(encoding="utf-8") for path in [*site.rglob("*.html"), *site.rglob("*.css")]}
    assert len(texts) > 50
    assert [path.name for path, text in texts.items() if LOADED.search(text)] == []
    assert [path.name for path, text in texts.items() if re.search(r"url\(['\"]?(https?:)?//|@import", text)] == []


def test_what_would_be_loaded_from_elsewhere_is_found():
    for text in ('<script src="https://a.b/c"></script>', '<link rel=x href="//a.b">', "<img alt='' src='http://a.b'>"):
        assert LOADED.search(text)
    assert not LOADED.search('<a href="https://a.b">')


def test_links_to_files_of_the_repository_are_names(site):
    """The site does not hold them; pages that lie outside of docs it does."""
    start = (site / "index.html").read_text(encoding="utf-8")
    assert "<code>CITATION.cff</code>" in start and 'href="benchmarks.html"' in start
    assert 'src="results/paper/summary.png"' in start and (site / "results/paper/summary.png").is_file()
    assert 'href="index.html"' in (site / "results" / "index.html").read_text(encoding="utf-8").replace("../", "")


@pytest.mark.parametrize("text", ["[nothing](nothing.md)", "[nothing](method.md#nothing)"])
def test_a_link_that_leads_nowhere_fails_the_build(text, tmp_path):
    root = tmp_path / "copy"
    for name in (
        "README.md",
        "ARTIFACT.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "benchmarks/README.md",
        "docs/mkdocs_hook.py",
        "docs/method.md",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("# A page\n" if name.endswith(".md") else (tiny.ROOT / name).read_text())
    config = yaml.safe_load((tiny.ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    del config["nav"]
    (root / "mkdocs.yml").write_text(yaml.safe_dump(config | {"plugins": []}))
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    assert subprocess.run(words, cwd=root, capture_output=True, check=False).returncode == 0
    (root / "docs" / "page.md").write_text(f"# A page\n\n{text}\n")
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "nothing" in done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium was found: apt install chromium")
def test_it_is_searched_from_a_file_without_a_network(site):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        asked, failed = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto((site / "index.html").as_uri())
        box, results = page.locator("[data-md-component=search-query]"), page.locator(".md-search-result__link")
        for _ in range(20):  # what is typed before the index is read is not searched for
            box.fill("")
            box.press_sequentially("placebo")
            page.wait_for_timeout(3_000)
            if results.count():
                break
        found = results.count()
        browser.close()
    assert found > 5
    assert failed == []
    assert [url for url in asked if not url.startswith(("file:", "about:", "data:", "blob:"))] == []
