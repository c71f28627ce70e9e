"""Stage `publish`: copies tables, figures and the report from the store to the experiment's folder, where people open
them.

The name of a file in the store contains the digest of everything that determines it. The copy has a plain name, which
proves nothing. So each time the Snakefile is read, the bytes of a copy decide whether it is current, and never dates
or what Snakemake remembers.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Collection, Iterable, Sequence
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
"""Kinds of files. Each kind is copied in one job and has its own stamp."""
OLD = 1
"""The date of a stamp that requests nothing, in seconds since 1970: as old as a file from an archive that keeps no dates."""


def run(*, files: Sequence[Path], outputs: Sequence[Path], record: Sequence[Path] = ()) -> None:
    """Copy `files` to `outputs`, each whole or not at all. Parquet files carry their seal, others have a manifest beside them.

    record: at most one file, for the digests of what was copied, as `sha256sum` writes them, under the names in the store.
    Raises PopleakError for a damaged file, and for fewer or more outputs than files, before anything is copied.
    """
    if len(files) != len(outputs):
        raise PopleakError(f"--outputs: {len(outputs)} given for {len(files)} files: name one for each")
    checked = []
    for path in files:
        if path.suffix == ".parquet":
            seal.check(path)
            checked.append(path.read_bytes())
        else:
            checked.append(seal.check_by(seal.manifest_of(path), path))
    for data, path in zip(checked, outputs, strict=True):
        atomic.write(path, data)
    for path in record:
        atomic.write(path, "".join(_line(data, one) for data, one in zip(checked, files, strict=True)).encode())


def _line(data: bytes, origin: str | Path) -> str:
    """Return the line of a record that says that a file of the store has these bytes."""
    return f"{hashlib.sha256(data).hexdigest()}  {Path(origin).name}\n"


def record(plan: Plan, kind: str) -> str:
    """Return the path of the file that says of what the copies of a kind are copies. There is one if the store is not at hand."""
    return f"{plan.folder()}/.stamps/{kind}.sha256"


def current(plan: Plan) -> list[str]:
    """Return the published files that are copies of what the plan makes."""
    return [path for path, origin in plan.public().items() if _equal(plan, path, origin)]


def stale(plan: Plan, kind: str | None = None) -> list[str]:
    """Return the published files (of one kind) that exist and differ from what the plan makes, or whose source is
    still to be made."""
    return [
        path for path, origin in plan.public(kind).items() if Path(path).is_file() and not _equal(plan, path, origin)
    ]


def _equal(plan: Plan, path: str, origin: str) -> bool:
    """Return whether both files exist and have the same bytes, and the manifest of the second is there if it needs one.

    If the store is in object storage, the record of what was copied stands for the second, whose name contains the digest of all that
    determines it. A file of that name that another machine made, and that is at hand, may have other last bits.
    """
    if _recorded(plan, path, origin):
        return True
    if not Path(origin).is_file():
        return False
    if not origin.endswith(".parquet") and not seal.manifest_of(origin).is_file():
        return False
    try:
        same = Path(path).stat().st_size == Path(origin).stat().st_size
        return same and Path(path).read_bytes() == Path(origin).read_bytes()
    except FileNotFoundError:
        return False


def _recorded(plan: Plan, path: str, origin: str) -> bool:
    """Return whether a file is the copy that a record says was made of `origin`."""
    there = [one for kind in KINDS if (one := Path(record(plan, kind))).is_file()]
    if not there or not Path(path).is_file():
        return False
    line = _line(Path(path).read_bytes(), origin)
    return any(line in one.read_text(encoding="utf-8", errors="replace") for one in there)


def settle(plan: Plan) -> None:
    """Give the files of the store dates by which Snakemake makes nothing again: none in the future, and no output before its input.

    A step's id, and so its outputs' names, stand for the content of all that it reads, so that a date says nothing: raw data may have been
    copied anew, a store unpacked or copied in any order, a clock set back. (Inputs marked as `ancient` are no way to say so. If a job is
    run again whose file is there, Snakemake then takes all that is made of it for finished, also where it is missing.) Steps whose files
    are not all there are left alone. Snakemake also fails a job, when it is done, whose output is older than its input. Raises
    PopleakError for a raw file of the user's that a job is to read and that is dated in the future.
    """
    _present(plan)
    for step in plan.all_steps():
        # Snakemake dates a job by its oldest output or, if that is older, by the file of its benchmark
        results = Path(next(iter(step.outputs.values()))).parents[2]
        measured = str(results / "logs" / step.stage / f"{step.id}.tsv")
        _not_before(step.outputs.values(), [path for paths in step.inputs.values() for path in paths], measured)


def _not_before(outputs: Iterable[str], inputs: Iterable[str], measured: str = "") -> None:
    """Date outputs, if all of them are there, and a file beside them, if it is, no earlier than the newest input that is."""
    dates = {path: _date(path) for path in outputs}
    if None in dates.values():  # some are still to be made
        return
    newest = max((date for path in inputs if (date := _date(path)) is not None), default=0)
    for path, date in [*dates.items(), (measured, _date(measured) if measured else None)]:
        if date is not None and date < newest:
            with contextlib.suppress(OSError):  # of another user
                os.utime(path, ns=(newest, newest), follow_symlinks=False)


def _date(path: str) -> int | None:
    """Return when a file was changed, in nanoseconds; None where it is not."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None


def _present(plan: Plan) -> None:
    """Give files of the store that are dated in the future the present date."""
    now = time.time()
    for step in plan.all_steps():
        for path in [*step.outputs.values(), *step.inputs.get("files", ())]:
            try:
                if Path(path).stat().st_mtime <= now:
                    continue
            except OSError:  # still to be made
                continue
            if path in step.outputs.values() or path in plan.fetches:
                with contextlib.suppress(OSError):  # of another user
                    os.utime(path, follow_symlinks=False)
            elif not all(Path(output).is_file() for output in step.outputs.values()):
                raise PopleakError(
                    f"{path}: is dated in the future, and Snakemake refuses what is made of it now: set the clock, or give the file the "
                    "present date (touch)"
                )


def renew(plan: Plan, remote: bool = False) -> set[str]:
    """Give the stamp of each kind with a published file that is not the plan's a new content and date, and others an old date.
    Return the published files that are the plan's.

    A stamp is an input of the copying job, so that it runs, and all that it needs, under every setting of Snakemake's
    triggers. Dates of results would not do: Snakemake considers a file current if its missing inputs could be made.
    Other stamps get an old date, since a dry run of another config may have renewed them. So do the published files of a kind that is to
    be copied: the clock may have been set back since the last time.

    remote: whether the store is in object storage. Otherwise a record of what was copied, which is of another store, is removed.
    """
    found: set[str] = set()
    for kind in KINDS:
        if not remote:
            with contextlib.suppress(OSError):  # of another user
                Path(record(plan, kind)).unlink(missing_ok=True)
        stamp = Path(plan.folder(), ".stamps", kind)
        there = {path: _equal(plan, path, origin) for path, origin in plan.public(kind).items() if Path(path).is_file()}
        found |= {path for path, equal in there.items() if equal}
        if not all(there.values()):
            try:
                atomic.write(stamp, os.urandom(16).hex().encode())
            except OSError as error:
                raise PopleakError(
                    f"{stamp}: cannot be written ({error.strerror}): make its folder writable, or run in another one (--directory)"
                ) from error
            for path in there:
                with contextlib.suppress(OSError):  # of another user
                    os.utime(path, (OLD, OLD), follow_symlinks=False)
            continue
        # a folder of another user, or one that cannot be written: Snakemake then makes the stamp, or copies once more than necessary
        with contextlib.suppress(OSError):
            if not stamp.is_file():
                atomic.write(stamp, b"")
            os.utime(stamp, (OLD, OLD))
        _not_before(there, _copied(plan, kind))
    return found


def missing(plan: Plan, published: Collection[str]) -> list[str]:
    """Return the files that a run of a plan will make: those of the store that are not there, and copies that are not `published`."""
    stored = (path for step in plan.all_steps() for path in step.outputs.values())
    return [
        *(path for path in stored if not Path(path).is_file()),
        *(path for path in plan.public() if path not in published),
    ]


def _copied(plan: Plan, kind: str) -> list[str]:
    """Return the files of the store that the copying job of a kind reads."""
    steps = (
        plan.figures.values()
        if kind == "figures"
        else [step for step in (plan.report, plan.advice) if step]
        if kind == "report"
        else []
    )
    return [*plan.public(kind).values(), *(step.outputs["sha256"] for step in steps)]


def replaced(plan: Plan) -> list[str]:
    """Return a line if the experiment's folder holds files of another config or of earlier code, which a run of this plan will replace."""
    if not (old := stale(plan)):
        return []
    return [
        f"{plan.folder()} holds {len(old)} files of another config or of earlier code, which this run replaces: to keep both, give this config "
        "another name (`experiment`); a report changes with each figure, and what was computed stays in the store"
    ]


def rescue(plan: Plan, only: Collection[str] | None = None) -> None:
    """Copy what is finished, of all published files or of `only` these, after a run in which a job failed, so that one figure's failure
    does not hold back the others, and after one in which a step was made again with other bytes (`--forcerun`)."""
    copies = plan.public()
    for path, origin in copies.items():
        if (only is None or path in only) and Path(origin).is_file() and not _equal(plan, path, origin):
            with contextlib.suppress(PopleakError, OSError):  # the run reports the reason
                run(files=[Path(origin)], outputs=[Path(path)])


def tidy(plan: Plan) -> list[str]:
    """Remove copies of another plan's files that stand beside this plan's, so that no folder holds both; return their paths.

    Nothing is lost, since they are copies. If none of this plan's files is published, the folder stays as it is.
    """
    # two configs may give the same verdicts: such a table does not tell whose copies these are
    telling = set(current(plan)) - {f"{plan.folder()}/tables/{file}" for file in PAPER}
    gone = [*stale(plan), *_unknown(plan)] if telling else []
    for path in gone:
        Path(path).unlink(missing_ok=True)
    return gone


def _unknown(plan: Plan) -> list[str]:
    """Return the tables and figures in the experiment's folder that this plan does not make; another config of that
    name made them."""
    from ..plan.build import OPENED

    paths = [f"tables/{name}.parquet" for name in TABLES]
    paths += [f"tables/{file}" for file in PAPER]
    paths += [f"figures/{name}.{ending}" for name in plugins.names("figures") for ending in OPENED]
    known = plan.public()
    return [path for one in paths if (path := f"{plan.folder()}/{one}") not in known and Path(path).is_file()]


def wait_no_more() -> None:
    """Cancel the timers by which Snakemake looks for jobs again (`max-jobs-per-timespan`): its process would not end before the last one."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def closing(plan: Plan) -> str:
    """Remove copies of another plan (`tidy`). Return the message for the end of a run: where the results are, if all
    of them exist; otherwise which jobs failed, why, and what waits for them."""
    from ..plan import unmade

    gone, folder = tidy(plan), plan.folder()
    missing = sorted(set(plan.public()) - set(current(plan)))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        removed = (
            f"; removed because it was of another config or of earlier code: {', '.join(sorted(gone))}" if gone else ""
        )
        lines = [f"popleak: missing, or not of this config: {missing[0]}{more}{removed}"]
        lines += [f"popleak: {line}" for line in unmade.lines(plan)]
        to_fetch = [(path, source) for path, (_, source) in plan.fetches.items() if not Path(path).is_file()]
        if to_fetch:
            from ..datasets._fetch import at

            lines.append(
                f"popleak: {len(to_fetch)} of the raw files could not be downloaded yet. Without a network, put them into the data folder "
                f"and repeat the command, or give the config `tasks` without those that need them:"
            )
            lines += [f"popleak:   {at(source, path)}" for path, source in to_fetch]
        return "\n".join(lines)
    return f"popleak: done. Report: {folder}/report.html   Figures: {folder}/figures/   Tables: {folder}/tables/"
