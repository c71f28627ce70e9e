"""Stage `inspect`: rows that victims' generators release, looked at as data: what they hold, and whether they are copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import needs
from ..core.seeds import derive, generator
from ..measures import information
from ..steps.arms import with_files
from ..steps.inspect import InspectStep
from ..store import parquet as store
from ..store import samples as stored
from ..store import schema
from ..store.populations import draws_of, of_role
from ..store.records import Loaded, original_columns
from ..store.records import read as read_records
from . import split

QUERY = split.POOLS.index("query")
PERMUTATIONS = 999
FACTS = (
    "share", "label_rate", "information", "information_own", "information_xy", "information_xy_own", "dependence_p", "outside",
)  # fmt: skip
COMPARED = ("copied", "copied_held_out", "distance", "distance_held_out", "nearer", "compared")


def run(
    *,
    settings: InspectStep,
    data: Path,
    pools: Path,
    draw: Sequence[Path],
    complement: Sequence[Path] = (),
    samples: Sequence[Path],
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write the part of `samples`: a row a victim. draw: the draws of all worlds; complement: those of the directions, where a sharer trains on
    them; samples: what generators release, in the order and number that the settings give."""
    look = Looking(settings, read_records(data), split.read(pools))
    released = {held.arm: mine for held, mine in with_files(settings.files, samples)}
    parts = []
    for pair, played in zip(settings.pairs, settings.worlds, strict=True):
        for b, world in enumerate(played.worlds):
            own = _by_seed(draw, world, world)
            for defence in settings.defences:
                there = stored.read(released[settings.arms[defence]], world=world, towards=played.towards[b])
                more = _by_seed(complement, world, played.towards[b]) if defence in settings.complemented else {}
                found = [
                    look(there, k, own[int(seed)], more.get(int(seed))) for k, seed in enumerate(there.keys["seed"])
                ]
                parts.append({
                    "task": settings.task, "model": settings.model_id, "protocol": pair.protocol, "ratios": pair.listed, "defence": defence, "ratio": pair.ratios[b],
                    "split": there.keys["split"], "model_index": there.keys["model_index"], "finite": there.finite,
                    "rows": np.full(len(found), there.y.shape[1]), **{name: np.array([one[name] for one in found]) for name in (*FACTS, *COMPARED)},
                })  # fmt: skip
    facts = store.provenance(
        stage="inspect",
        step=step,
        settings=settings.plain(),
        code=code,
        inputs=[data, pools, *draw, *complement, *samples],
    )
    store.write(output, schema.table("samples", parts), facts)


def _by_seed(draw: Sequence[Path], world: str, towards: str) -> dict[int, np.ndarray]:
    """Return the rows (n,) of each victim of a world, or of one direction, by the victim's seed."""
    keys, rows = of_role(draws_of(draw, world, towards), "victim", (0, 1))
    return {int(seed): row for seed, row in zip(keys["seed"], rows, strict=True)}


class Looking:
    """Looks at the rows of one generator after the other."""

    def __init__(self, settings: InspectStep, records: Loaded, pools: dict[int, np.ndarray]) -> None:
        self.settings, self.records, self.columns = settings, records, original_columns(records)
        self.held_out = {number: np.flatnonzero(pool == QUERY) for number, pool in pools.items()}
        numbers = records.x[:, list(self.columns.numbers)]
        self.least, self.most = numbers.min(axis=0), numbers.max(axis=0)
        self._known: dict[bytes, float] = {}

    def __call__(
        self, there: stored.Samples, k: int, own: np.ndarray, more: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return the columns of the k-th generator, whose sharer's rows are `own` (n,) ids, and which was trained on the rows `more` (m,), too: copies
        of these are looked for as well."""
        y, a, rows = there.y[k], there.a[k], there.rows[k]
        seed = derive(int(there.keys["seed"][k]), "inspect")
        records, size = self.records, len(self.records.y)
        found = information.dependence_test(a, y, permutations=PERMUTATIONS, seed=seed)
        numbers = rows[:, : len(self.columns.numbers)]
        slack = 1e-4 * np.maximum(self.most - self.least, 1e-12)
        beyond = (numbers < self.least - slack) | (numbers > self.most + slack)
        flips = own >= size  # twins of records, with their label flipped
        trained = own[~flips] if more is None else np.concatenate([own[~flips], more])
        labels = np.where(flips, 1 - records.y[own % size], records.y[own % size])
        return {
            "share": a.mean(),
            "label_rate": y.mean() if records.classes == 2 else np.nan,
            "information": found.value,
            "information_own": information.between(records.a[own % size], labels),
            "information_xy": _of_features(self.columns.expand(rows), y, seed),
            "information_xy_own": self._of_own(own, labels, seed),
            "dependence_p": found.p,
            "outside": beyond.mean() if beyond.size else 0.0,
            **self._compared(rows, trained, self.held_out[int(there.keys["split"][k])], seed),
        }

    def _of_own(self, own: np.ndarray, labels: np.ndarray, seed: int) -> float:
        """Return the bound on I(X; Y) among a sharer's rows (n,), which are the same whatever it does with them."""
        key = own.tobytes()  # worlds of one seed have other rows
        if key not in self._known:
            self._known[key] = _of_features(self.records.x[own % len(self.records.y)], labels, seed)
        return self._known[key]

    def _compared(self, rows: np.ndarray, own: np.ndarray, pool: np.ndarray, seed: int) -> dict[str, Any]:
        """Return how near released rows (m, c) are to the rows `own` (n,) of training, and to as many held-out ones of the same labels and groups."""
        mine, others = matched(self.records, own, pool, seed)
        if not len(mine):
            return dict.fromkeys(COMPARED, np.nan) | {"compared": 0}
        x = self.columns.expand(rows)
        to_own, to_others = (information.distances(x, self.records.x[part]) for part in (mine, others))
        near = np.where(np.isclose(to_own, to_others, rtol=0, atol=1e-6), 0.5, to_own < to_others)
        return {
            "copied": information.copied(to_own).mean(), "copied_held_out": information.copied(to_others).mean(),
            "distance": np.median(to_own), "distance_held_out": np.median(to_others), "nearer": near.mean(), "compared": len(mine),
        }  # fmt: skip


def _of_features(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Return the bound on I(X; Y) of features (n, d) and labels (n,); NaN where a label has fewer than two rows."""
    counts = np.unique(y, return_counts=True)[1]
    return information.mutual(x, y, seed=seed) if counts.min() > 1 else np.nan


def matched(records: Loaded, own: np.ndarray, pool: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return as many rows of `own` (n,) and of `pool` (k,) as make both alike in the number of rows of each label and group."""
    cells = [2 * records.y[rows].astype(int) + records.a[rows] for rows in (own, pool)]
    counts = [np.bincount(cell, minlength=2 * records.classes) for cell in cells]
    there = counts[0] > 0
    part = min(1.0, float((counts[1][there] / counts[0][there]).min(initial=1.0)))
    chosen: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for number in np.flatnonzero(there):
        size = min(needs.half_up(part * counts[0][number]), counts[1][number])
        for kept, rows, cell, purpose in zip(chosen, (own, pool), cells, ("own", "held out"), strict=True):
            kept.append(generator(seed, "matched", purpose, int(number)).permutation(rows[cell == number])[:size])
    return np.concatenate(chosen[0]), np.concatenate(chosen[1])
