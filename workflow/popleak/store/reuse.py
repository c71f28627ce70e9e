"""Models that other files of the store hold: found by all that their bits depend on, and not trained again.

A step's file holds the models of one cut: these worlds, that many victims. Another cut is another file, and most of its
models may be in an older one. Each model is therefore stored with a key, a digest of everything that its bits depend on.
A job asks the files of its family, which agree in what the plan knows (`plan.task`), for the keys that it needs and trains
the rest. Its own file is the same bytes as one trained from nothing.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.parquet as pq

from ..core import accounting
from ..core.errors import PopleakError
from ..core.protocols import Role
from ..core.settings import canonical
from ..steps.models import ModelsStep
from . import arrays
from . import parquet as store
from .records import Loaded

WIDTH = 16
"""Bytes of a key."""
UNKNOWN = "unknown"
"""The digest of code that was not told: it vouches for nothing."""

Columns = Mapping[str, np.ndarray]
M = TypeVar("M", bound=ModelsStep)


@accounting.part("store")
def content(records: Loaded, size: int) -> str:
    """Return a digest of what models are trained on: the first `size` records, those that are no poisoned twins."""
    found = hashlib.sha256()
    for name in ("x", "y", "a", "cell"):
        values = getattr(records, name)
        if values is not None:
            found.update(f"{name} {values.dtype.str} {values[:size].shape};".encode())
            found.update(np.ascontiguousarray(values[:size]).data)
    return found.hexdigest()


def no_keys() -> np.ndarray:
    """Return the keys (0, WIDTH) of no models."""
    return np.empty((0, WIDTH), np.uint8)


def alike(found: Mapping[str, Any], wanted: M, *, code: str, device: str) -> M | None:
    """Return the settings that a file's facts tell, if it was made by this code on this device as a job with the settings `wanted`
    makes its models, of rows and seeds that may differ; else None."""
    made = {"stage": wanted.stage, "code": code, "device": device}
    if any(found.get(name) != value for name, value in made.items()):
        return None
    try:
        theirs = type(wanted).of(found.get("settings", {}))
    except PopleakError:  # a foreign file, or one that was changed
        return None
    return theirs if canonical(theirs.deciding()) == canonical(wanted.deciding()) else None


@accounting.part("store")
def glance(path: Path, columns: Sequence[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Return a file's facts and some of its columns, None if it cannot be read. No byte of it is checked: this is for choosing
    among many files which to read, and what is used is read by `store.read`."""
    try:
        with pq.ParquetFile(path) as handle:
            facts = store.told(handle)
            table = handle.read(columns=list(columns)) if columns else {}
        return {**facts}, {name: _array(table[name]) for name in columns}
    except Exception:  # there is no end to what a damaged file may raise
        return None


class Shelf:
    """The files that one job may take models from.

    facts, settings: of the job's own files, whose folder is searched; records: digest of the records; alone: whether a model's bits
    depend on no model trained beside it, otherwise those of one call of `complete` are re-used together or not at all;
    stack: how many of these are trained at once; use: False to train all.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        settings: ModelsStep,
        outputs: Mapping[Role, Path],
        *,
        records: str,
        alone: bool,
        stack: int,
        use: bool,
    ) -> None:
        self.facts, self.settings, self.alone, self.stack = facts, settings, alone, stack
        self.outputs = outputs if use and facts["code"] != UNKNOWN else {}
        self.files: dict[Role, dict[Path, ModelsStep]] = {}
        self.models, self.taken = 0, 0
        self.used: set[Path] = set()
        self.common = canonical([*(facts[name] for name in ("stage", "code", "device")), settings.deciding(), records])

    def keys(self, seeds: np.ndarray, *parts: np.ndarray) -> np.ndarray:
        """Return the key of each model (K, WIDTH) uint8: of its seed (K,), and of its row of each of `parts` (K, n)."""
        shapes = ";".join(f"{part.dtype.str} {part.shape[1:]}" for part in parts)
        common = hashlib.sha256(f"{self.common}{shapes}".encode())
        found = np.empty((len(seeds), WIDTH), np.uint8)
        for k, seed in enumerate(seeds):
            one = common.copy()
            one.update(int(seed).to_bytes(8, "big"))
            for part in parts:
                one.update(np.ascontiguousarray(part[k]).data)
            found[k] = np.frombuffer(one.digest()[:WIDTH], np.uint8)
        if not self.alone:  # neighbours decide roundings
            beside = hashlib.sha256(found.tobytes() + f"{self.stack}".encode()).digest()
            for k in range(len(found)):
                found[k] = np.frombuffer(hashlib.sha256(found[k].tobytes() + beside).digest()[:WIDTH], np.uint8)
        return found

    def complete(
        self,
        role: Role,
        world: str,
        from_world: str,
        keys: np.ndarray,
        names: Sequence[str],
        make: Callable[[np.ndarray], Columns],
    ) -> dict[str, np.ndarray]:
        """Return the columns `names` of the models with these keys (K, WIDTH), in this order.

        make: called as make(positions) for those that no other file holds for this role, world and direction.
        """
        held = self._find(role, world, from_world, keys)
        todo = np.array([k for k in range(len(keys)) if k not in held], dtype=np.int64)
        if len(todo) and not self.alone:
            held, todo = {}, np.arange(len(keys))
        made = make(todo) if len(todo) else {}
        self.models += len(keys)
        self.taken += len(held)
        self.used.update(path for path, _, _ in held.values())
        columns = {}
        for name in names:
            rest = {k: table[name][row] for k, (_, table, row) in held.items()}
            like = made[name][0] if made else next(iter(rest.values()))
            columns[name] = np.empty((len(keys), *np.shape(like)), like.dtype)
            if made:
                columns[name][todo] = made[name]
            for k, value in rest.items():
                columns[name][k] = value
        return columns

    def tell(self) -> None:
        """Say in one line what was re-used, if anything was."""
        if self.taken:
            files = f"{len(self.used)} {'file' if len(self.used) == 1 else 'files'}"
            _say(f"re-used {self.taken} of {self.models} models from {files}")

    def _find(self, role: Role, world: str, from_world: str, keys: np.ndarray) -> dict[int, tuple[Path, Columns, int]]:
        """Return where models are, by position among `keys`: the file, its columns for this world, and the row."""
        left = {key.tobytes(): k for k, key in enumerate(keys)}
        where, stage = {"world": world, "from_world": from_world}, self.facts["stage"]
        held: dict[int, tuple[Path, Columns, int]] = {}
        for path in self._candidates(role, world, from_world):
            seen = glance(path, ["key"])
            if seen is None:
                self._pass_over(role, path)
                continue
            if not any(key.tobytes() in left for key in seen[1]["key"]):
                continue
            try:
                table = store.read(path, stage=stage, where=where)
            except PopleakError as error:
                self._pass_over(role, path, error)
                continue
            columns = {name: _array(table[name]) for name in table.column_names}
            for row, key in enumerate(columns["key"]):
                if key.tobytes() in left:
                    held[left.pop(key.tobytes())] = path, columns, row
            if not left:
                break
        return held

    def _candidates(self, role: Role, world: str, from_world: str) -> list[Path]:
        """Return the files that say they hold such models, made by the same code with the same settings."""
        if role not in self.files:
            self.files[role] = {path: found for path in self._family(role) if (found := self._settings(role, path))}
        return [path for path, found in self.files[role].items() if (world, from_world) in found.made]

    def _family(self, role: Role) -> list[Path]:
        """Return the files of the role that share the family in the step's id, slug-family-digest; the job's own is not among
        them, so that a job run again by hand trains again."""
        own, step = self.outputs.get(role), self.facts["step"].split("-")
        if own is None or len(step) < 3:
            return []
        kind = own.name.removeprefix(self.facts["step"])
        return sorted(path for path in own.parent.glob(f"*-{step[-2]}-*{kind}") if path.name != own.name)

    def _settings(self, role: Role, path: Path) -> ModelsStep | None:
        seen = glance(path, [])
        if seen is None:
            self._pass_over(role, path)
            return None
        found = alike(seen[0], self.settings, code=self.facts["code"], device=self.facts["device"])
        return found if found is not None and role in found.roles else None

    def _pass_over(self, role: Role, path: Path, error: PopleakError | None = None) -> None:
        self.files.get(role, {}).pop(path, None)
        _say(f"not re-used: {error or f'{path}: cannot be read'}")


def _array(column: Any) -> np.ndarray:
    nested = str(column.type).startswith("fixed_size_list")
    return arrays.matrix(column) if nested else arrays.numpy(column)


def _say(what: str) -> None:
    print(f"popleak: {what}", file=sys.stderr, flush=True)
