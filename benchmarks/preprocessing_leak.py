"""What does a generator's preprocessing alone give away? Measured on Adult by sex: `python benchmarks/preprocessing_leak.py`.

A tabular generator keeps the quantiles of the numbers that its transforms were fitted to. Fitted to the sharer's own rows, they are part of
what is shared, whatever the network learned. So no network is trained here (epochs: 0), and the adversary reads the transforms alone: a
ridge regression of the ratio on their knots, learned from generators of other rows, of known ratios. Transforms that are fitted to public rows
(`fitted_on: public`) are the same at every ratio, and the best that is left is always to say the mean.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from popleak.core import plugins
from popleak.core.columns import Columns
from popleak.core.seeds import derive, generator
from popleak.datasets._fetch import locate
from popleak.datasets.base import Records
from popleak.engine import quantiles

SEED = 20261103
RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)
PENALTIES = np.geomspace(1e-3, 1e5, 17)
PLUGIN = plugins.load("models", "tabular-diffusion")


class Table(NamedTuple):
    """Records of a table: features (N, d), labels and groups (N,), and what makes a column."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    columns: Columns

    @classmethod
    def of(cls, records: Records) -> Table:
        return cls(records.x, records.y, records.a, Columns.named(records.features, records.x.shape[1]))


class Found(NamedTuple):
    """What a regression on knots estimates of generators (K,) that it was not learned from: their ratios, the estimates and what always saying the
    mean of the known ratios would be off by, by generator."""

    ratio: np.ndarray
    estimate: np.ndarray
    constant: np.ndarray

    @property
    def error(self) -> np.ndarray:
        return np.abs(self.estimate - self.ratio)


def adult() -> Table:
    """Return Adult by sex. Raises SystemExit where its files are not there."""
    plugin = plugins.load("datasets", "adult")
    folder = Path(os.environ.get("POPLEAK_DATA", "results/data"))
    options, _ = plugin.settle(plugin.Settings(), lambda source: locate("adult", source, folder) is not None)
    files = {source.file: locate("adult", source, folder) for source in plugin.sources(options)}
    if None in files.values():
        raise SystemExit(f"{folder}: Adult is not there: fetch it, or set POPLEAK_DATA")
    return Table.of(plugin.load(files=files, label="income", attribute="sex", options=options, seed=0))


def knots(table: Table, rows: np.ndarray, fitted_on: Literal["own", "public"], seed: int) -> np.ndarray:
    """Return the transforms of an untrained generator of these rows (n,), flat: all that was fitted to them but the label rate."""
    settings = PLUGIN.Settings(width=8, depth=1, fitted_on=fitted_on)
    weights = PLUGIN.fit_rows(
        columns=table.columns,
        rows_x=table.x[rows],
        y=table.y[rows],
        a=table.a[rows],
        public_x=table.x,
        settings=settings,
        seed=seed,
        epochs=0,
    )[0]
    kept = len(table.columns.numbers) * quantiles.size(settings.knots)
    return weights[-2 - kept : -2]


def leak(table: Table, fitted_on: Literal["own", "public"], *, rows: int, each: int, seed: int = SEED) -> Found:
    """Return what knots give away of `each` generators at each ratio, of `rows` rows. The regression is learned from as many generators, of the other
    half of the records."""
    half = generator(seed, "halves").permutation(len(table.y)) % 2
    seen, asked = (_generators(table, np.flatnonzero(half == side), fitted_on, rows, each, seed) for side in (0, 1))
    known, ratio = np.repeat(RATIOS, each), np.repeat(RATIOS, each)
    return Found(ratio, ridge(seen, known, asked), np.abs(ratio - known.mean()))


def _generators(
    table: Table, pool: np.ndarray, fitted_on: Literal["own", "public"], rows: int, each: int, seed: int
) -> np.ndarray:
    groups = [pool[table.a[pool] == group] for group in (0, 1)]
    found = []
    for ratio in RATIOS:
        for number in range(each):
            own = derive(seed, "generator", int(pool[0]), repr(ratio), number)
            rng, ones = generator(own, "rows"), round(ratio * rows)
            parts = [
                rng.choice(group, size, replace=False) for group, size in zip(groups, (rows - ones, ones), strict=True)
            ]
            found.append(knots(table, np.concatenate(parts), fitted_on, own))
    return np.stack(found)


def ridge(seen: np.ndarray, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return estimates (K,) in [0, 1] from knots `asked` (K, s), by ridge regression on `seen` (S, s) of the ratios `known`; constant knots: their mean."""
    from sklearn.linear_model import RidgeCV

    spread = seen.std(axis=0)
    there = spread > 1e-6
    if not there.any():
        return np.full(len(asked), known.mean())
    fit = RidgeCV(PENALTIES).fit((seen[:, there] - seen[:, there].mean(axis=0)) / spread[there], known)
    return np.clip(fit.predict((asked[:, there] - seen[:, there].mean(axis=0)) / spread[there]), 0, 1)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--rows", type=int, default=4000, help="rows of a generator")
    words.add_argument("--each", type=int, default=20, help="generators at each ratio, to learn from and to judge")
    told, table = words.parse_args(), adult()
    print("fitted_on,ratio,generators,mean_estimate,mean_absolute_error,always_the_mean")
    for fitted_on in ("own", "public"):
        found = leak(table, fitted_on, rows=told.rows, each=told.each)
        for ratio in (*RATIOS, None):
            mine = np.full(len(found.ratio), True) if ratio is None else found.ratio == ratio
            named = "all" if ratio is None else f"{ratio:g}"
            numbers = (found.estimate[mine].mean(), found.error[mine].mean(), found.constant[mine].mean())
            print(fitted_on, named, mine.sum(), *(f"{number:.3f}" for number in numbers), sep=",")


if __name__ == "__main__":
    main()
