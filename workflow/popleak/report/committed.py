"""The committed results of one experiment, read back from its folder in docs/results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..config import resolve
from ..core.errors import PopleakError
from ..store.schema import LATER, TABLES


class Source(NamedTuple):
    """The committed results of one experiment: its folder, and how README.md links to its page."""

    folder: Path
    link: str

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a committed CSV; None where the experiment has not been run or keeps no such table.

        Raises PopleakError for a public table that lacks a column, since an earlier version wrote it.
        """
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            return None
        table = pd.read_csv(path)
        for column in LATER:
            if column not in table and any(column == one.name for one in TABLES.get(name, ())):
                table[column] = float("nan")
        lacking = [column.name for column in TABLES.get(name, ()) if column.name not in table]
        if lacking:
            raise PopleakError(
                f"{path}: lacks the column {lacking[0]!r}, so an earlier version of popleak wrote it: run `snakemake --cores all "
                f"--configfile {self.folder / 'experiment.json'} page`"
            )
        return table

    def setting(self, key: str):
        """Return a setting of the run."""
        return json.loads((self.folder / "experiment.json").read_text(encoding="utf-8"))[key]

    def datasets(self) -> Mapping[str, str]:
        """Return the dataset of each task of the run, by the id that its tables have."""
        return {resolve.task_id(task): str(task["dataset"]) for task in self.setting("tasks")}
