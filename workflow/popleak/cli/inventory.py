"""What lies in `results/`: whether it is whole and of a config, and what no config needs any more."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import PopleakError
from ..datasets import _fetch as fetching
from ..plan.build import Plan
from ..plan.steps import ROOT, Step
from ..stages import publish
from ..steps import STAGES
from ..store import parquet as store
from ..store import seal


class Found(NamedTuple):
    """Numbers of files of a plan that are there and whole, that are not there, and of `others` of the store that are whole; and a line for
    each file that is not what it should be."""

    whole: int
    absent: int
    others: int
    problems: list[str]


def verify(plan: Plan) -> Found:
    """Read every file of a plan and of the store, and compute every digest anew: seals and manifests, whose file it is, whether it was made
    of the files that are there, whether downloads are those that were pinned, and whether published files are copies."""
    whole, absent, problems = 0, 0, []
    for step in plan.all_steps():
        for path in step.outputs.values():
            if not Path(path).is_file():
                absent += 1
                continue
            try:
                _check(step, path)
                whole += 1
            except PopleakError as error:
                problems.append(str(error))
    problems += _of_others(plan)
    for path, (_, source) in plan.fetches.items():
        if Path(path).is_file():
            try:
                fetching.verify(path, source)
            except PopleakError as error:
                problems.append(str(error))
    others, strange = _strangers(plan)
    stale = publish.stale(plan)
    current = len(publish.current(plan))
    problems += strange
    problems += [
        f"{path}: not of this config, or changed: repeat the command of the run, which copies it again"
        for path in stale
    ]
    shown = [printable(line) for line in problems]
    return Found(whole + current, absent + len(plan.public()) - current - len(stale), others, shown)


def printable(text: object) -> str:
    """Return a text in which the name of a file cannot make a line of its own, or do anything to a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


def _check(step: Step, path: str) -> None:
    if path.endswith(".parquet"):
        store.facts(path)
    elif path.endswith(".sha256"):
        _check_manifest(path, (name for name in step.outputs.values() if name != path))
    else:
        seal.check_by(step.outputs["sha256"], path)


def _check_manifest(path: str | Path, files: Iterable[str]) -> None:
    """Raise PopleakError unless a manifest names exactly these files, and is otherwise as it is written; their digests are checked with them."""
    data = Path(path).read_bytes()
    names = [line[66:] for line in data.decode("utf-8", errors="replace").split("\n")[:-1]]
    lines = re.fullmatch(rb"([0-9a-f]{64}  [^\n]+\n)+", data)
    if lines is None or sorted(names) != sorted(Path(file).name for file in files):
        raise PopleakError(f"{path}: damaged: delete the files of its step and run again")


def _of_others(plan: Plan) -> list[str]:
    """Return a line for each table that was made of a file with other bytes than the one that is there: a step that was made again on
    another machine, say."""
    tables = [path for step in plan.all_steps() for path in step.outputs.values() if path.endswith(".parquet")]
    seals: dict[str, str] = {}
    inputs: dict[str, dict[str, str]] = {}
    for path in tables:
        with contextlib.suppress(PopleakError):  # is not there, or was named before
            seals[store.named(path)] = seal.check(path)[:16]
            inputs[path] = store.facts(path).get("inputs", {})
    return [
        f"{path}: was made of another {name} than the one that is there: run again with --forceall, or put that file back"
        for path, read in inputs.items()
        for name, digest in read.items()
        if seals.get(name, digest) != digest
    ]


def _strangers(plan: Plan) -> tuple[int, list[str]]:
    """Return how many files of the store are whole and of no step of a plan, and a line for each that is no file of ours, damaged, or under
    the name of another; also for what lies among the published tables and figures."""
    known = {path for step in plan.all_steps() for path in step.outputs.values()}
    whole, problems = 0, []
    for found in sorted(Path(ROOT, "store").rglob("*")):
        if not found.is_file() or str(found) in known:
            continue
        try:
            _check_stranger(found)
            whole += 1
        except PopleakError as error:
            problems.append(str(error))
    copies = plan.public()
    problems += [
        f"{found}: not a file of this run: move it away"
        for kind in ("tables", "figures")
        for found in sorted(Path(plan.folder(), kind).rglob("*"))
        if found.is_file() and str(found) not in copies
    ]
    return whole, problems


def _check_stranger(path: Path) -> None:
    manifest = seal.manifest_of(path)
    if path.name.endswith(".partial"):
        raise PopleakError(f"{path}: is being written, or was left by a job that was killed: delete it if nothing runs")
    if path.suffix == ".parquet":
        store.facts(path)
    elif path.suffix != ".sha256" and manifest.is_file():
        seal.check_by(manifest, path)
    elif path.suffix == ".sha256":
        beside = [one.name for one in path.parent.iterdir() if one != path and seal.manifest_of(one) == path]
        _check_manifest(path, beside)
    else:
        raise PopleakError(f"{path}: not a file of popleak: move it away")


def unused(plans: Iterable[Plan]) -> list[Path]:
    """Return the files of the store, and the logs of its steps, that none of the plans needs, sorted.

    Only what has the name of a file of a step, whole or half written, and lies in a folder of a stage that is no link: a link in a
    stranger's results may lead to files that are nobody's to delete.
    """
    needed = {Path(path) for plan in plans for step in plan.all_steps() for path in step.outputs.values()}
    ids = {(step.stage, step.id) for plan in plans for step in plan.all_steps()}
    files = [path for path in _ours("store", _OUTPUT) if path not in needed]
    logs = [path for path in _ours("logs", _LOG) if (path.parent.name, path.stem) not in ids]
    return sorted([*files, *logs])


_OUTPUT = re.compile(
    r"\.?[a-z0-9][A-Za-z0-9_-]*-[0-9a-f]{12}(\.[\w.-]+)?\.(parquet|pdf|png|csv|tex|html|json|sha256|partial)"
)
_LOG = re.compile(r"[a-z0-9][A-Za-z0-9_-]*-[0-9a-f]{12}\.(log|tsv)")


def _ours(kind: str, name: re.Pattern[str]) -> list[Path]:
    folders = [Path(ROOT, kind, stage) for stage in STAGES if not Path(ROOT, kind, stage).is_symlink()]
    return [path for folder in folders for path in folder.glob("*") if path.is_file() and name.fullmatch(path.name)]
