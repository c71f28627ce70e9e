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

from ..core import atomic, plugins
from ..core.errors import PopleakError
from ..steps.report import PAPER
from ..store import seal
from ..store.schema import TABLES

if TYPE_CHECKING:
    from ..plan.build import Plan

KINDS = ("tables", "figures", "report")
"""What is copied together, in one job: each has a stamp of its own."""
OLD = 1_000_000_000
"""The date of a stamp that asks for nothing: older than any file of ours."""


def run(*, files: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Copy `files` to `outputs`, each whole or not at all. Parquet files carry their seal, others have a manifest beside them.

    Raises PopleakError for a damaged file, before anything is copied.
    """
    found = []
    for path in files:
        if path.suffix == ".parquet":
            seal.check(path)
            found.append(path.read_bytes())
        else:
            found.append(seal.check_by(seal.manifest_of(path), path))
    for data, path in zip(found, outputs, strict=True):
        atomic.write(path, data)


def current(plan: Plan) -> list[str]:
    """Return the published files that are copies of what the plan makes."""
    return [path for path, origin in plan.public().items() if _equal(path, origin)]


def stale(plan: Plan, kind: str | None = None) -> list[str]:
    """Return the published files (of one kind) that are there and are no copies of what the plan makes, or has still to make."""
    return [path for path, origin in plan.public(kind).items() if Path(path).is_file() and not _equal(path, origin)]


def _equal(path: str, origin: str) -> bool:
    """Return whether both files are there and have the same bytes."""
    try:
        same = Path(path).stat().st_size == Path(origin).stat().st_size
        return same and Path(path).read_bytes() == Path(origin).read_bytes()
    except FileNotFoundError:
        return False


def renew(plan: Plan) -> None:
    """Give the stamp of each kind with a published file that is not the plan's a new content and date, and others an old date.

    A stamp is an input of the copying job, so that it runs, and all that it needs, under every setting of Snakemake's
    triggers. Dates of results would not do: Snakemake takes a file for current whose inputs are not there but could be
    made. Other stamps get an old date, since a dry run of another config may have renewed them.
    """
    for kind in KINDS:
        stamp = Path(plan.folder(), ".stamps", kind)
        if stale(plan, kind):
            try:
                atomic.write(stamp, os.urandom(16).hex().encode())
            except OSError as error:
                raise PopleakError(
                    f"{stamp}: cannot be written ({error.strerror}): make its folder writable, or run in another one (--directory)"
                ) from error
            continue
        # a folder of another user, or one that cannot be written: Snakemake makes the stamp, or copies once too often
        with contextlib.suppress(OSError):
            if not stamp.is_file():
                atomic.write(stamp, b"")
            os.utime(stamp, (OLD, OLD))


def rescue(plan: Plan) -> None:
    """After a run in which a job failed: copy what is finished, so that one figure's failure does not hold back the others."""
    copies = plan.public()
    for path, origin in copies.items():
        if Path(origin).is_file() and not _equal(path, origin):
            with contextlib.suppress(PopleakError, OSError):  # the run has failed already, and says why
                run(files=[Path(origin)], outputs=[Path(path)])


def tidy(plan: Plan) -> list[str]:
    """Remove copies of another plan's files that stand beside this plan's, so that no folder holds both; return their paths.

    Nothing is lost: they are copies. Where none of this plan's files is published, the folder is left as it was.
    """
    # two configs may give the same verdicts: such a table does not tell whose copies these are
    telling = set(current(plan)) - {f"{plan.folder()}/tables/{file}" for file in PAPER}
    gone = [*stale(plan), *_unknown(plan)] if telling else []
    for path in gone:
        Path(path).unlink(missing_ok=True)
    return gone


def _unknown(plan: Plan) -> list[str]:
    """Return the tables and figures in the experiment's folder that this plan does not make: another config of that name did."""
    from ..plan.build import OPENED

    paths = [f"tables/{name}.parquet" for name in TABLES]
    paths += [f"tables/{file}" for file in PAPER]
    paths += [f"figures/{name}.{ending}" for name in plugins.names("figures") for ending in OPENED]
    known = plan.public()
    return [path for one in paths if (path := f"{plan.folder()}/{one}") not in known and Path(path).is_file()]


def closing(plan: Plan) -> str:
    """Remove copies that are of another plan (`tidy`) and return what to say at the end of a run: where the results are, if they
    are all there."""
    gone, folder = tidy(plan), plan.folder()
    missing = sorted(set(plan.public()) - set(current(plan)))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        removed = f"; removed because it was of another config: {', '.join(sorted(gone))}" if gone else ""
        return f"popleak: missing, or not of this config: {missing[0]}{more}{removed}"
    return f"popleak: done. Report: {folder}/report.html   Figures: {folder}/figures/   Tables: {folder}/tables/"
