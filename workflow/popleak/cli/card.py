"""The command `card`: a card of a table of the user's own, to be completed by whoever knows the data."""

from __future__ import annotations

import json
from pathlib import Path

from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolved import ResolvedTask
from ..core import atomic
from ..core.errors import PopleakError, refusal
from ..datasets import _cards, _tables
from ..plan import sizes
from ..report import datasheets
from ..store import seal


def run(experiment: Experiment, name: str | None, output: Path) -> list[str]:
    """Write the card of a task's table to `output`, and return lines to print. name: the task's id, if several have tables of their own. Raises
    PopleakError for a file that exists, and as `measured` does."""
    task = chosen(experiment, name)
    if output.exists():
        raise PopleakError(f"{output}: exists: name another file")
    about = measured(experiment, task)
    atomic.write(output, (json.dumps(about.content, indent=1, ensure_ascii=False) + "\n").encode())
    return [
        f"{output}: {datasheets.lacking(about)}",
        f"complete it, and name it in the options of the task {task.id}: card: {output}",
    ]


def chosen(experiment: Experiment, name: str | None) -> ResolvedTask:
    """Return the task of a table of the user's own. Raises PopleakError if there is none, or several and none is named."""
    own = {task.id: task for task in config.resolve(experiment) if task.dataset == "table"}
    if name is None and len(own) == 1:
        return next(iter(own.values()))
    if name not in own:
        raise PopleakError(
            f"--task {name or ''}: name one of {', '.join(own)}"
            if own
            else "no task of the config has the dataset `table`: add one"
        )
    return own[name]


def measured(experiment: Experiment, task: ResolvedTask) -> _cards.CardFile:
    """Return a card of a task's table: what the options say, the columns, the digest and the counts. Raises PopleakError for a table that cannot
    be read as the options say."""
    plugin, options, files = sizes.raw_files(experiment, task)
    path = files[options.path]
    if path is None:
        raise PopleakError(f"config: tasks: {task.id}: no file {options.path}: give its path")
    findings, records = plugin.examine(files=files, options=options)
    if records is None:
        raise refusal(options.path, findings.problems)
    known = _tables.filled(card=plugin.card(options), attribute=options.attribute, records=records)
    made: _cards.CardFile = plugin.made(
        options, known, columns=plugin.types(files=files, options=options), files={Path(options.path).name: seal.file_digest(path)}
    )  # fmt: skip
    return made
