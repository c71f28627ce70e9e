"""A task's raw files: which ones its options select, where they are, and which must be downloaded. Part of the plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.resolved import ResolvedTask
from ..core import plugins
from ..core.errors import PopleakError
from ..core.settings import Settings
from ..datasets import _fetch
from ..datasets._fetch import place
from ..datasets.base import Dataset, Source
from ..store import seal
from .steps import ROOT

LONGEST = 200
"""Characters of a path that a message shows."""


class AbsentError(PopleakError):
    """A raw file that is missing and that no publisher serves. Other tasks can run without it."""


@dataclass(frozen=True)
class Raw:
    """The raw files of one task.

    options: those of the dataset, all resolved; told: the same as a job is told them, a user's own file by its name
    alone; names, paths: of the files; fetches: (dataset, source) by the path of each file to download; note: which of
    several files the dataset chose and why, or ""; content: SHA-256 by name of each file whose digest is not pinned in
    the code, since a user's own file may change at any time without a new date.
    """

    options: dict[str, Any]
    told: dict[str, Any]
    names: tuple[str, ...]
    paths: tuple[str, ...]
    fetches: dict[str, tuple[str, Source]]
    note: str
    content: dict[str, str]


def find(task: ResolvedTask, data_dir: Path | None) -> Raw:
    """Return the task's raw files. Raises PopleakError if a user's own file is missing, and AbsentError if another
    file is missing and cannot be downloaded."""
    plugin = plugins.load("datasets", task.dataset)
    given = plugin.Settings.model_validate(task.options)
    options, note = plugin.settle(given, lambda source: locate(task.dataset, source, data_dir) is not None)
    sources = plugin.sources(options)
    told, names = _placeless(plugin, options) if plugin.own else (options, _files(plugin, options))
    paths: list[str] = []
    fetches: dict[str, tuple[str, Source]] = {}
    content: dict[str, str] = {}
    for source, name in zip(sources, names, strict=True):
        path = locate(task.dataset, source, data_dir)
        if path is None and source.url is None:
            if plugin.own:
                raise PopleakError(
                    f"config: tasks: {task.id}: no file {source.file}: give its path, or {plugin.remedy(source)}"
                )
            raise AbsentError(f"{task.id}: no file {source.file}: {plugin.remedy(source)}")
        if path is None:
            old = Path(ROOT, "data", task.dataset, source.file)  # as earlier versions spelt it
            paths.append(str(old if old.is_file() else place(task.dataset, source, f"{ROOT}/data")))
            fetches[paths[-1]] = (task.dataset, source)
            continue
        if re.search(r"\{.*\}", str(path)):
            raise PopleakError(
                f"config: tasks: {task.id}: {path}: Snakemake reads braces as a wildcard: rename the file, or its folder"
            )
        if source.sha256 is None:
            content[name] = _digest(path, task.id)
        paths.append(str(path))
    return Raw(options.resolved(), told.resolved(), names, tuple(paths), fetches, note, content)


def _files(plugin: Dataset, options: Settings) -> tuple[str, ...]:
    return tuple(source.file for source in plugin.sources(options))


def _placeless(plugin: Dataset, options: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return the options with the name of a user's own file in place of its path, and the files' names then.

    A job is given the path, and the file's content is part of the step's identity. So a run that spells the path
    otherwise, or reads a copy of the file, makes nothing again. An option that only happens to equal the path, such as
    a column's name, stays: it changes no source.
    """
    paths = names = _files(plugin, options)
    for key, value in options.resolved().items():
        if value in paths:
            other = options.model_copy(update={key: Path(value).name})
            found = _files(plugin, other)
            if found != names and len(set(found)) == len(found):
                options, names = other, found
    return options, names


def locate(dataset: str, source: Source, data_dir: Path | None) -> Path | None:
    """Return where a raw file is, or None. Raises PopleakError for a path that cannot be looked up, such as one that is too long."""
    try:
        return _fetch.locate(dataset, source, data_dir)
    except OSError as error:
        shown = str(error.filename) if len(str(error.filename)) <= LONGEST else f"{str(error.filename)[:LONGEST]}..."
        raise PopleakError(
            f"config: {shown}: cannot be looked up ({error.strerror}): name another data_dir, or another file in the options of "
            f"{dataset}"
        ) from error


def _digest(path: Path, task: str) -> str:
    try:
        return seal.file_digest(path)
    except OSError as error:
        raise PopleakError(
            f"config: tasks: {task}: {path}: cannot be read ({error.strerror}): check its permissions"
        ) from error
