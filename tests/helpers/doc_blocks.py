"""Finds what the docs show as code and runs it: Python is executed, configs are planned, commands are parsed.

A block that cannot run has `<!-- not run: REASON -->` before it. Anything else that stands as a block fails.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

import tiny
from popleak.cli import stages
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.plan import build as plan
from popleak.steps import STAGES

ROOT = tiny.ROOT
PAGES = sorted(
    page
    for page in [
        ROOT / "README.md",
        ROOT / "ARTIFACT.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
    ]
)
MARK = re.compile(r"<!-- not run: (\S.*\S) -->")
COMMANDS = ("popleak", "snakemake", "make", "python", "python3", ".")
SPAN = re.compile(r"(?<!`)`((?:popleak|snakemake|make|python) [^`]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A block of a page: its language ('' if indented), text, first line in the page, and why it is not run, if so."""

    page: Path
    line: int
    language: str
    text: str
    excuse: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced and the indented blocks of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    at, in_list = 0, False
    while at < len(lines):
        line = lines[at]
        fence = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", line)
        begin = at
        if fence:
            at += 1
            while at < len(lines) and not lines[at].strip().startswith(fence[1]):
                at += 1
            assert at < len(lines), f"{page.name}:{begin + 1}: a fence that does not end"
            body, language = lines[begin + 1 : at], fence[2].lower()
            at += 1
        elif line.startswith("    ") and not in_list and (begin == 0 or not lines[begin - 1].strip()):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            body, language = [one[4:] for one in lines[begin:at]], ""
        else:
            if line.strip():  # what is indented below an item of a list belongs to the item
                in_list = bool(re.match(r"\s*([-*+]|\d+[.)])\s", line)) or (in_list and line.startswith(" "))
            at += 1
            continue
        above = next((one for one in reversed(lines[:begin]) if one.strip()), "")
        mark = MARK.fullmatch(above.strip())
        yield Block(page, begin + 1, language, "\n".join(body).strip("\n"), mark[1] if mark else None)


def run(block: Block, names: dict, folder: Path) -> None:
    """Run one block. names: what earlier Python blocks of the page have defined; folder: where files of users lie.

    Raises AssertionError for a block that nobody knows how to run, and whatever the block raises.
    """
    if block.excuse is not None:
        return
    if block.language == "python":
        _execute(block, names)
    elif block.language in ("yaml", "yml"):
        _plan(block, folder)
    elif block.language == "toml":
        _entry_points(tomllib.loads(block.text))
    elif block.language in ("sh", "bash", "shell", "console", ""):
        lines = shell_lines(block.text)
        assert lines, f"{block}: an empty block"
        for line in lines:
            command(line, block.page)
    else:
        raise AssertionError(
            f"{block}: nothing here runs {block.language!r}: teach this file, or say why it is not run"
        )


def _execute(block: Block, names: dict) -> None:
    before = set(names)
    exec(compile("\n" * block.line + block.text, str(block.page), "exec"), names)
    for name in set(names) - before:
        if name.startswith("test_"):
            names[name]()


def _plan(block: Block, folder: Path) -> None:
    found = yaml.safe_load(block.text)
    assert isinstance(found, dict), f"{block}: no mapping"
    base = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for task in found.get("tasks", ()):
        path = task.get("options", {}).get("path") if isinstance(task, dict) else None
        if path is not None and not Path(path).is_absolute():
            assert (folder / path).exists(), f"{block}: no file stands for {path}: add one to USERS"
    experiment = config.load({**base, **found})
    assert plan.build(experiment).all_steps()


def _entry_points(found: dict) -> None:
    for group, points in found.get("project", {}).get("entry-points", {}).items():
        kind = group.removeprefix("popleak.")
        assert kind in plugins.KINDS, f"no kind of plugin: {group}"
        assert all(re.fullmatch(r"[\w.]+:\w+", target) for target in points.values())


def shell_lines(text: str) -> list[str]:
    """Return the commands of a block: lines without comments and prompts, those that end in a backslash joined."""
    joined = text.replace("\\\n", " ")
    lines = [re.sub(r"(^|\s)#.*$", "", line).strip().removeprefix("$ ") for line in joined.splitlines()]
    return [line for line in lines if line]


def command(line: str, page: Path) -> None:
    """Parse one command with the parser of its program. Raises AssertionError where that would refuse it."""
    words = shlex.split(line)
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        words.pop(0)
    assert words and words[0] in COMMANDS, f"{page.name}: not known to be a command: {line}"
    program, *rest = words
    if program.startswith("python"):
        program, *rest = ["popleak", *rest[2:]] if rest[:2] == ["-m", "popleak"] else ["python", *rest]
    {"popleak": _popleak, "snakemake": _snakemake, "make": _make, "python": _script, ".": _activate}[program](
        rest, page
    )


def _popleak(words: list[str], page: Path) -> None:
    if words and not words[0].startswith("-"):
        try:
            stages.parser(words[0] if words[0] in STAGES else None).parse_args(words)
        except SystemExit as refused:
            assert refused.code == 0, f"{page.name}: popleak {shlex.join(words)} is refused"


def _snakemake(words: list[str], page: Path) -> None:
    from snakemake.cli import get_argument_parser

    try:
        given = get_argument_parser().parse_args(words)
    except SystemExit as refused:
        raise AssertionError(f"{page.name}: snakemake {shlex.join(words)} is refused") from refused
    text = page.read_text(encoding="utf-8")
    for path in given.configfile or ():
        told = path.name in text.replace(
            f"snakemake {shlex.join(words)}", ""
        )  # a file that the reader is told to write
        assert (ROOT / path).exists() or told, f"{page.name}: no file {path}, and no word of what is in it"
    rules = "\n".join(
        one.read_text(encoding="utf-8")
        for one in [ROOT / "workflow" / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]
    )
    for target in given.targets or ():
        assert f"rule {target}:" in rules or f" as {target} with:" in rules or "/" in target, (
            f"{page.name}: snakemake knows no rule {target}"
        )


def _make(words: list[str], page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for word in words:
        assert "=" in word or word in targets, f"{page.name}: make knows no target {word}"


def _script(words: list[str], page: Path) -> None:
    if words[:2] == ["-m", "pytest"]:
        assert all(word.endswith(".py") for word in words[2:]), f"{page.name}: python {shlex.join(words)}"
        return
    script = ROOT / words[0]
    assert script.is_file(), f"{page.name}: no file {words[0]}"
    source = script.read_text(encoding="utf-8")
    for word in words[1:]:
        assert not word.startswith("--") or f'"{word.split("=")[0]}"' in source, (
            f"{page.name}: {words[0]} has no {word}"
        )


def _activate(words: list[str], page: Path) -> None:
    assert words == [".venv/bin/activate"], f"{page.name}: . {shlex.join(words)}"


def spans(page: Path) -> list[str]:
    """Return the commands in the running text: spans that begin with a program's name, placeholders filled in."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.text, "") if block.language else text
    text = re.sub(r"``.*?``", "", text)  # what popleak says, which names commands without their arguments
    found = [" ".join(one.split()) for one in SPAN.findall(text)]
    return [re.sub(r"\bFILE\b", "config.yaml", one) for one in found if "<" not in one and "..." not in one]
