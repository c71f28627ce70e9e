"""The command `check`: each task's data read once, and all that is wrong or doubtful said before any job.

The pools are cut as a run will cut them, so what is found to fit here fits in the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolved import ResolvedTask, SettledTask
from ..core import needs
from ..core.errors import PopleakError
from ..datasets.base import Cells, Dataset, Records, Source
from ..plan import build as plan
from ..plan import searches, sizes
from ..report import datasheets
from ..report.words import count
from ..stages import dataset, split
from ..steps.split import SplitStep

DOUBT = "look at "
"""How a line begins that names no problem, but something a person should decide."""
LIKELY = 3.0
"""Standard deviations within which a model's own rows are said to run short: some of thousands of models will."""


def run(experiment: Experiment) -> Iterator[str]:
    """Yield lines on each task. Raises PopleakError at the end, with all problems of all tasks."""
    problems: list[str] = []
    doubts = 0
    for task in config.resolve(experiment):
        yield f"{task.id}: {task.dataset}"
        found: list[str] = []
        for line in _task(experiment, task, found):
            doubts += line.startswith(DOUBT)
            yield f"  {line}"
        problems += [f"tasks: {task.id}: {one}" for one in found]
    if not problems:
        try:
            plan.build(experiment)
        except PopleakError as error:
            problems.append(str(error))
    if problems:
        raise PopleakError("\n  ".join([f"check: {count(len(problems), 'problem')}:", *problems]))
    yield f"no problem, {count(doubts, 'thing')} to look at" if doubts else "no problem"


def _task(experiment: Experiment, task: ResolvedTask, problems: list[str]) -> Iterator[str]:
    """Yield what is known of a task's data and sizes; append what is wrong."""
    plugin, options, files = sizes.raw_files(experiment, task)
    absent = [source for source in plugin.sources(options) if files[source.file] is None]
    if said := _unserved(plugin, absent):
        if plugin.own:
            problems.append(said)
        else:
            yield f"left out: {said}"
        return
    yield from _card(plugin, options, files, problems)
    records, cells = None, None
    try:
        if plugin.examines and not absent:
            findings, records = plugin.examine(files=files, options=options)
            problems += findings.problems
            yield f"features: {', '.join(findings.features)}"
            yield from [*findings.notes, *map(f"{DOUBT}{{}}".format, findings.hints)]
        if records is not None:
            cells = Cells.of(records.y, records.a, exact=records.unit is None)
        elif not problems:
            here = {name: path for name, path in files.items() if path is not None}
            cells = sizes.cells_of(task, plugin, options, {} if absent else here)
    except PopleakError as error:
        problems.append(str(error))
    if cells is not None:
        yield from _counts(task, cells)
        yield from _sizes(experiment, task, cells, records, problems)


def _card(plugin: Dataset, options: Any, files: Mapping[str, Path | None], problems: list[str]) -> Iterator[str]:
    """Yield what the data's card does not know; append what is wrong with it."""
    try:
        about = plugin.admitted(files={name: path for name, path in files.items() if path is not None}, options=options)
        if said := datasheets.lacking(about):
            yield f"card: {said}" + (
                ": `popleak card` writes one to complete" if plugin.own and options.card is None else ""
            )
    except PopleakError as error:
        problems.append(str(error))


def _unserved(plugin: Dataset, absent: Sequence[Source]) -> str:
    """Return which of the files that are not here no publisher serves, and the remedy; "" if all can be fetched."""
    return next((f"no file {one.file}: {plugin.remedy(one)}" for one in absent if one.url is None), "")


def _counts(task: ResolvedTask, cells: Cells) -> Iterator[str]:
    for group, name in enumerate(sizes.group_names(task)):
        rows = cells.counts[0][group] + cells.counts[1][group]
        yield f"group {group} ({name}): {rows} rows, {100 * cells.counts[1][group] / max(rows, 1):.1f} % with y = 1"


def _sizes(
    experiment: Experiment, task: ResolvedTask, cells: Cells, records: Records | None, problems: list[str]
) -> Iterator[str]:
    try:
        sized = sizes.sized(task, cells)
    except PopleakError as error:
        problems.append(str(error).removeprefix(f"config: tasks: {task.id}: "))
        return
    if records is None:
        most = sizes.largest(sized, sizes.draws_of(sized, cells), cells)
        short = sizes.shortages(sized, cells)
    else:
        most, short = _cut(experiment, sized, cells, records)
        for copy in sized.placebos():
            mixed = dataset.permuted(records, **copy.permuting(experiment.seed))
            fewer, found = _cut(experiment, copy, cells, mixed)
            most = min(most[0], fewer[0]), min(most[1], fewer[1])
            known = {line.partition(":")[0] for line in short}  # the key that asks for too much
            short += [
                f"{line}; the same with the group column permuted (placebo {copy.permutation})"
                for line in found
                if line.partition(":")[0] not in known
            ]
    problems += short + sizes.unrehearsed(sized, cells)
    about = "" if cells.exact or records is not None else "about "
    for key, limit in zip(("rows", "query_rows"), most, strict=True):
        chosen = f"{getattr(sized, key)} (auto)" if getattr(task, key) == "auto" else getattr(sized, key)
        yield f"{key}: {chosen}; the pools give {about}{limit} at most"
    yield from _of_sizes(experiment, sized, cells)


def _of_sizes(experiment: Experiment, task: SettledTask, cells: Cells) -> Iterator[str]:
    """Yield what to look at in the rows of models and query points."""
    if said := sizes.crowded(task, cells):
        yield f"{DOUBT}rows: {said}"
    if experiment.audit is not None and (said := sizes.thin(task, cells)):
        yield f"{DOUBT}{said}"
    for line in searches.cautions(task, task.training.validation, cells):
        yield f"{DOUBT}{line.partition(': ')[2]}"


def _cut(
    experiment: Experiment, task: SettledTask, cells: Cells, records: Records
) -> tuple[tuple[int, int], list[str]]:
    """Return the most `rows` and `query_rows` that all splits give, and a line for each key whose rows they do not."""
    population = task.population
    settings = SplitStep(
        seed=experiment.seed, key=task.key, splits=population.splits,
        victim_share=population.victim_share, adversary_share=population.adversary_share,
        public_share=sizes.shares_of(task)["public"],
    )  # fmt: skip
    unit = np.arange(len(records.y)) if records.unit is None else records.unit
    draws = sizes.draws_of(task, cells)
    pools = []
    for number, pool in enumerate(split.pools_of(records.y, records.a, unit, settings)):
        parts = [(name, np.flatnonzero(pool == i)) for i, name in enumerate(needs.POOLS)]
        for part in split.sub_pools(
            parts[1][1],
            records.y,
            records.a,
            unit,
            population.sub_pools,
            seed=experiment.seed,
            key=task.key,
            number=number,
        ):
            pools.append(_held([*parts, (needs.SUB_POOL, part)], records))
    most = min(needs.largest_rows(draws, one) for one in pools), min(needs.largest_query_rows(one) for one in pools)
    return most, sizes.short(task, draws, pools, most)


def _held(parts: Sequence[tuple[str, np.ndarray]], records: Records) -> dict[tuple[str, int, int], int]:
    """Return the number of rows by (pool, y, a); parts: pools, by name, and their row ids."""
    return {
        (name, y, a): int(((records.y[rows] == y) & (records.a[rows] == a)).sum())
        for name, rows in parts
        for y in range(int(records.y.max(initial=1)) + 1)
        for a in (0, 1)
    }
