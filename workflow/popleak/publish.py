"""Stage `publish`: copy what people open, tables, figures and the report, from the store to the experiment's folder.

A file in the store bears the digest of all that decides it in its name; the copy has a plain name, which says nothing. So
whether a copy is the plan's is decided by its bytes, each time the Snakefile is read, and never by dates or by what
Snakemake remembers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import atomic, seal
from .errors import PopleakError
from .steps import ROOT

if TYPE_CHECKING:
    from .plan import Plan

OLD = 1_000_000_000
"""The date of a stamp that asks for nothing: older than any file of ours."""


def run(*, files: Sequence[Path], outputs: Sequence[Path], digests: Path | None = None) -> None:
    """Copy `files` to `outputs`, each whole or not at all. Parquet files carry their seal; of others `digests` is the manifest.

    Raises PopleakError for a damaged file, before anything is copied.
    """
    found = []
    for path in files:
        if path.suffix == ".parquet":
            seal.check(path)
            found.append(path.read_bytes())
        elif digests is None:
            raise PopleakError(f"{path}: nothing tells whether it is whole: give its manifest with --digests")
        else:
            found.append(seal.check_by(digests, path))
    for data, path in zip(found, outputs, strict=True):
        atomic.write(path, data)


def current(plan: Plan) -> list[str]:
    """Return the published files that are copies of what the plan makes."""
    return [path for path, origin in _origins(plan) if _equal(path, origin)]


def stale(plan: Plan) -> list[str]:
    """Return the published files that are there and are no copies of what the plan makes, or has still to make."""
    return [path for path, origin in _origins(plan) if Path(path).is_file() and not _equal(path, origin)]


def _origins(plan: Plan) -> list[tuple[str, str]]:
    return [(path, step.outputs[output]) for path, (step, output) in plan.public().items()]


def _equal(path: str, origin: str) -> bool:
    """Return whether both files are there and have the same bytes."""
    try:
        same = Path(path).stat().st_size == Path(origin).stat().st_size
        return same and Path(path).read_bytes() == Path(origin).read_bytes()
    except FileNotFoundError:
        return False


def stamps(plan: Plan) -> list[str]:
    """Return the stamps of all that is published: a table, a figure in its three forms, and the report have one each."""
    return list(dict.fromkeys(stamp(path) for path in plan.public()))


def stamp(path: str) -> str:
    """Return the stamp of a published file, results/<experiment>/.stamps/<name>."""
    folder, _, name = path.removeprefix(f"{ROOT}/").partition("/")
    return f"{ROOT}/{folder}/.stamps/{name.partition('.')[0].replace('/', '-')}"


def renew(plan: Plan) -> None:
    """Give the stamp of each published file that is not the plan's a new content and date, and every other an old date.

    A stamp is an input of the copying job, so that it runs, and all that it needs, under every setting of Snakemake's
    triggers. Dates of results would not do: Snakemake takes a file for current whose inputs are not there but could be
    made. Other stamps get an old date, since a dry run of another config may have renewed them.
    """
    wanted = {stamp(path) for path in stale(plan)}
    for path in stamps(plan):
        if not Path(path).is_file():  # the rule makes it
            continue
        if path not in wanted:
            with contextlib.suppress(OSError):  # of another user, who shares the folder: one copy too many, at most
                os.utime(path, (OLD, OLD))
            continue
        try:
            atomic.write(path, os.urandom(16).hex().encode())
        except OSError as error:
            raise PopleakError(f"{path}: cannot be written ({error.strerror}): make {ROOT}/ writable") from error


def closing(plan: Plan) -> str:
    """Return what to say at the end of a run: where the results are, if they are all there."""
    folder, missing = plan.folder(), sorted(set(plan.public()) - set(current(plan)))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"popleak: what was asked for is done. Not made, or not of this config: {missing[0]}{more}"
    return f"popleak: done. Report: {folder}/report.html   Figures: {folder}/figures/   Tables: {folder}/tables/"
