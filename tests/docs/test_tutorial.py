"""The tutorial is done from its first line to its last, in an empty folder, as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

import doc_blocks
import tiny

pytestmark = [pytest.mark.slow, pytest.mark.dag]
PAGE = tiny.ROOT / "docs" / "tutorial.md"
SAVED = re.compile(r"[Ss]ave this as `([\w.]+)`")


def do(block: doc_blocks.Block, text: str, folder, environment) -> None:
    """Do what one block asks for: save a config, run commands, or run Python."""
    if block.language == "yaml":
        above = text.splitlines()[: block.line - 1]
        (folder / SAVED.findall("\n".join(above))[-1]).write_text(block.text + "\n", encoding="utf-8")
        return
    if block.language == "python":
        return  # run together at the place of the last, since they share names
    for line in doc_blocks.shell_lines(block.text):
        words = shlex.split(line)
        words = ["-m", "popleak", *words[1:]] if words[0] == "popleak" else words[1:]
        done = subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def python(blocks: list[doc_blocks.Block], folder, environment) -> None:
    code = "\n".join(block.text for block in blocks)
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)


def test_every_step_of_the_tutorial(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("POPLEAK_DATA", None)
    blocks = list(doc_blocks.blocks(PAGE))
    assert all(block.excuse is None for block in blocks), "every command is executed, as the page says"
    for i, block in enumerate(blocks):
        do(block, text, tmp_path, environment)
        if block.language == "python":
            python([one for one in blocks[: i + 1] if one.language == "python"], tmp_path, environment)
    named = re.findall(r"`((?:results/)?[\w/-]+\.(?:html|png|parquet|yaml|py))`", text)
    assert len(named) > 5
    assert [name for name in named if not (tmp_path / name).is_file()] == [], "what the page speaks of is there"
