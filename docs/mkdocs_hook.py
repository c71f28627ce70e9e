"""A hook of MkDocs: pages of the repository that lie outside of `docs` become pages of the site, and links to them lead there.

A link to any other file of the repository, which the site does not hold, becomes the file's name in code.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.structure.files import File

BROUGHT = {
    "README.md": "index.md",
    "ARTIFACT.md": "artifact.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Page of the repository, and its name on the site."""
DOCS = "docs/"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)((?:#[^)\s]*)?)\)")


def on_files(files, config):
    """Add the pages that lie outside."""
    root = Path(config.config_file_path).parent
    for origin, name in BROUGHT.items():
        text = (root / origin).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Point links to where pages are on the site."""
    root = Path(config.config_file_path).parent
    here = {name: origin for origin, name in BROUGHT.items()}.get(page.file.src_uri, DOCS + page.file.src_uri)

    def link(found):
        mark, words, target, anchor = found.groups()
        if not target or ":" in target:
            return found[0]
        path = normpath(f"{dirname(here)}/{target}") if dirname(here) else normpath(target)
        if path in BROUGHT:
            aim = BROUGHT[path]
        elif path.startswith(DOCS):
            aim = path.removeprefix(DOCS)
        elif (root / path).exists():
            return f"{words} (`{path}`)"
        else:
            return found[0]  # which the build then refuses
        return f"{mark}[{words}]({relpath(aim, dirname(page.file.src_uri) or '.')}{anchor})"

    return LINK.sub(link, markdown)
