"""The card of a task's data, and what it refuses before any job."""

from __future__ import annotations

from pathlib import Path

from ..config.resolved import ResolvedTask
from ..core import plugins
from ..core.errors import PopleakError
from ..datasets._cards import CardFile
from .rawfiles import Raw


def of(task: ResolvedTask, raw: Raw) -> CardFile:
    """Return the card of a task's data. Raises PopleakError if it lacks a field, if the data were withdrawn, if a column that names people would
    be read, and if a user's own file is not the one that its card describes."""
    plugin = plugins.load("datasets", task.dataset)
    options = plugin.Settings.model_validate(raw.told)
    files = {name: Path(path) for name, path in zip(raw.names, raw.paths, strict=True) if path not in raw.fetches}
    try:
        about: CardFile = plugin.admitted(files=files, options=options)
        for name, source in about.sources().items():
            found = raw.content.get(name, source.sha256)
            if source.sha256 != found:
                raise PopleakError(
                    f"{files[name]}: sha256 expected {source.sha256} by its card ({about.where}), found {found}: give the file that the card "
                    "describes, or a card of this file"
                )
    except PopleakError as error:
        raise PopleakError(f"config: tasks: {task.id}: {error}") from error
    return about
