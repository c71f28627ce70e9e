"""The generator `tabular-diffusion` beside ForestDiffusion, fitted to the same rows: `python benchmarks/forest_reference.py`.

ForestDiffusion (Jolicoeur-Martineau et al. 2024) takes the noise off with gradient-boosted trees, one booster for each label and step of
noise. Asked is how far the share of group 1 among drawn rows is from that among the rows of training, at rising ratios; how near the other
columns are; and what a fit, drawing and keeping a model cost. A classifier trained on drawn rows is tested on rows of neither generator.

Settings of ForestDiffusion: `default` are its own, which take 100 boosters of 100 rounds, and a tree in each for every feature. `small` are
for about a minute and a half of CPU on 4,000 rows of Adult, chosen by that time alone; Adult with `default` would take hours. Numbers are
compared by percentiles, in units of the interquartile range of the true rows, or of their standard deviation where that range is 0. Both families get numbers standardised, so
ForestDiffusion's rounding of whole numbers (`int_indexes`) is not used; categories are the largest of their features.

ForestDiffusion imports LightGBM and CatBoost too, so the script makes an environment of its own for it in a temporary folder, with pip; that
takes the network and 0.7 GB. It has XGBoost's build without CUDA, `xgboost-cpu`. `--python` names an environment that is there already.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import common
from audit_certificates import records
from forest_theirs import state
from other_packages import asked, installed
from popleak.core import plugins
from popleak.core.columns import Columns
from popleak.core.errors import PopleakError
from popleak.core.needs import half_up
from popleak.core.seeds import derive, generator
from preprocessing_leak import Table

ROOT = Path(__file__).resolve().parents[1]
OUTPUT, PAGE = ROOT / "docs/results/benchmarks/forest_reference.csv", ROOT / "docs/generators.md"
BEGIN, END = "<!-- forest: written by benchmarks/forest_reference.py -->", "<!-- /forest -->"
THEIRS = Path(__file__).with_name("forest_theirs.py")
OTHERS = ("ForestDiffusion==1.0.6", "catboost==1.2.10")
BESIDE = (
    "numpy==2.4.6", "pandas==3.1.1", "scipy==1.17.1", "scikit-learn==1.9.1", "joblib==1.6.0", "xgboost-cpu==3.2.0", "lightgbm==4.7.0",
    "six==1.17.0",
)  # fmt: skip
"""What its modules import. CatBoost asks for libraries of figures, which it does not import."""
SEED, RATIOS, RELEASED = 20261104, (0.1, 0.3, 0.5, 0.7, 0.9), 2000
OURS, FOREST = "tabular-diffusion", "forest-diffusion"
SMALL = {"n_t": 10, "duplicate_K": 10, "n_estimators": 20, "max_depth": 4}
SETTINGS: dict[str, dict[str, Any]] = {"small": SMALL, "default": {}}
ROUNDS = 50 * 2 * 100
"""Rounds of its own settings: steps of noise, labels, rounds of a booster."""
PERCENTILES = np.arange(1, 100) / 100


class Task(NamedTuple):
    """A table by a group, rows of a generator and rows to test a classifier on; by name the settings of ForestDiffusion that are feasible there, and at
    how many ratios."""

    name: str
    attribute: str
    rows: int
    tested: int
    settings: dict[str, tuple[float, ...]]


TASKS = (
    Task("adult", "sex", 4000, 4000, {"small": RATIOS}),
    Task("compas", "race", 800, 1200, {"small": RATIOS, "default": (0.5,)}),
)


class Rows(NamedTuple):
    """Features x (n, d), labels y and groups a (n,)."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray


class Cost(NamedTuple):
    """CPU seconds of a fit and of drawing; bytes of what must be kept to draw, and these compressed by zlib; trees, if it has any.

    rows_held: of how many rows of training the fitted object itself holds a copy. same_from_bytes: whether a model read from the kept bytes draws the
    same rows. global_state: whether fitting changes numpy's global random state.
    """

    fit_seconds: float
    sampling_seconds: float
    bytes: int
    compressed: int
    trees: int
    rows_held: int
    same_from_bytes: bool
    global_state: bool
    versions: str


def drawn(table: Table, ratio: float, sizes: tuple[int, int], seed: int) -> tuple[Rows, Rows]:
    """Return rows of training and rows for tests, so many of each, none in both, with this share of group 1. Raises PopleakError for lack of rows."""
    rng, parts = generator(seed, "rows"), []
    ones = [half_up(ratio * size) for size in sizes]
    for group, wanted in ((0, [size - one for size, one in zip(sizes, ones, strict=True)]), (1, ones)):
        pool = np.flatnonzero(table.a == group)
        if sum(wanted) > len(pool):
            raise PopleakError(f"group {group} has {len(pool)} rows, not {sum(wanted)}: choose fewer rows")
        parts.append(np.split(rng.permutation(pool)[: sum(wanted)], [wanted[0]]))
    chosen = [np.sort(np.concatenate(side)) for side in zip(*parts, strict=True)]
    own, tested = (Rows(table.x[rows], table.y[rows], table.a[rows]) for rows in chosen)
    return own, tested


def ours(columns: Columns, own: Rows, m: int, seed: int, epochs: int | None = None) -> tuple[Rows, Cost]:
    """Return m rows of our generator with its usual settings, and what they cost. epochs: other than usual."""
    plugin = plugins.load("models", OURS)
    settings = plugin.Settings()
    plugin.parameters(columns, settings)  # imports torch, which is no part of a fit
    before, begin = state(), time.process_time()
    weights, finite, _ = plugin.fit_rows(
        columns=columns, rows_x=own.x, y=own.y, a=own.a, public_x=None, settings=settings, seed=seed, epochs=epochs
    )
    if not finite:
        raise PopleakError("the generator's weights are not finite: train it with a smaller learning_rate")
    between = time.process_time()
    moved = state() != before

    def draw(kept: np.ndarray) -> Rows:
        rates = plugin.label_rates(kept, columns=columns, settings=settings)
        y = generator(seed, "labels").choice(2, m, p=rates)
        a, rows = plugin.draw(kept, columns=columns, y=y, settings=settings, seed=seed)
        return Rows(columns.expand(rows), y, a)

    found = draw(weights)
    seconds, raw = (between - begin, time.process_time() - between), weights.tobytes()
    again = draw(np.frombuffer(raw, np.float32))
    same = all(np.array_equal(*pair) for pair in zip(found, again, strict=True))
    return found, Cost(
        *seconds,
        len(raw),
        len(zlib.compress(raw)),
        0,
        0,
        same,
        moved,
        f"torch {version('torch')}, numpy {version('numpy')}",
    )


def theirs(
    python: str | Path, columns: Columns, own: Rows, m: int, seed: int, settings: dict[str, Any]
) -> tuple[Rows, Cost]:
    """Return m rows of ForestDiffusion, and what they cost. The group is one more feature, the last."""
    told = asked(
        python, THEIRS, x=np.concatenate([own.x, own.a[:, None]], 1), y=own.y.astype(np.int64), m=np.array(m),
        seed=np.array(seed % 2**31), settings=np.array(json.dumps(settings)),
    )  # fmt: skip
    x, a = told["x"][:, :-1], told["x"][:, -1] > 0.5
    found = Rows(columns.expand(columns.compact(x)), told["y"], a.astype(np.int8))
    return found, Cost(*(told[name].item() for name in Cost._fields))


def variation(columns: Columns, true: np.ndarray, made: np.ndarray) -> float:
    """Return the mean over categorical columns of the total variation distance of two sets of rows (., d); NaN of no such column."""
    p, apart = len(columns.numbers), []
    one, other = (columns.compact(x)[:, p:].astype(np.int64) for x in (true, made))
    for column, levels in enumerate(columns.levels):
        shares = [np.bincount(codes[:, column], minlength=levels) / len(codes) for codes in (one, other)]
        apart.append(np.abs(shares[0] - shares[1]).sum() / 2)
    return float(np.mean(apart)) if apart else float("nan")


def quantiles(columns: Columns, true: np.ndarray, made: np.ndarray) -> float:
    """Return the mean over numeric columns and percentiles of the distance of percentiles of two sets of rows (., d), in units of the true rows'
    interquartile range, of their standard deviation where it is 0; of a number that is constant there, in its own units. NaN of no number."""
    if not columns.numbers:
        return float("nan")
    one, other = (x[:, list(columns.numbers)].astype(float) for x in (true, made))
    unit = np.subtract(*np.quantile(one, [0.75, 0.25], axis=0))
    unit = np.where(unit > 0, unit, one.std(axis=0))
    apart = np.abs(np.quantile(one, PERCENTILES, axis=0) - np.quantile(other, PERCENTILES, axis=0))
    return float((apart / np.where(unit > 0, unit, 1.0)).mean())


def accuracy(rows: Rows, tested: Rows) -> float:
    """Return the accuracy on tested rows of a logistic regression that was trained on rows without their group."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(rows.y)) < 2:
        return float((tested.y == rows.y[0]).mean())
    return float(LogisticRegression(max_iter=5000).fit(rows.x, rows.y).score(tested.x, tested.y))


def judged(columns: Columns, own: Rows, tested: Rows, made: Rows) -> dict[str, float]:
    """Return how near rows of a generator are to its rows of training."""
    share = float(made.a.mean())
    return {
        "share": share, "share_error": abs(share - float(own.a.mean())), "total_variation": variation(columns, own.x, made.x),
        "quantiles": quantiles(columns, own.x, made.x), "accuracy_own": accuracy(own, tested), "accuracy_released": accuracy(made, tested),
    }  # fmt: skip


def measure(
    task: Task, ratios: Sequence[float] | None, m: int, wanted: Sequence[str], python: str | Path
) -> Iterator[pd.DataFrame]:
    """Yield the record of each ratio, family and wanted settings, as it is measured. ratios: other than the task's. wanted: `ours`, and names of
    SETTINGS."""
    table = Table.of(records(task.name, task.attribute))
    ways = [(OURS, "default", ratios or RATIOS)] if "ours" in wanted else []
    ways += [(FOREST, name, ratios or own) for name, own in task.settings.items() if name in wanted]
    for family, settings, ratio in ((*way, ratio) for *way, those in ways for ratio in those):
        seed = derive(SEED, "forest", task.name, repr(ratio))
        own, tested = drawn(table, ratio, (task.rows, task.tested), seed)
        if family == OURS:
            made, cost = ours(table.columns, own, m, seed)
        else:
            made, cost = theirs(python, table.columns, own, m, seed, SETTINGS[settings])
        common.say(f"{task.name}, ratio {ratio:g}: {family}, {settings}")
        record = {"table": task.name, "ratio": ratio, "family": family, "settings": settings}
        record |= {"rows": task.rows, "features": table.x.shape[1] + 1, "released": m}
        yield pd.DataFrame([{**record, **judged(table.columns, own, tested, made), **cost._asdict()}])


KEYS = ["table", "ratio", "family", "settings"]
ORDER = {name: place for place, name in enumerate((*(task.name for task in TASKS), OURS, FOREST, "small", "default"))}


def kept(path: Path, found: pd.DataFrame) -> None:
    """Put records into the table there; those of the same table, ratio, family and settings go."""
    if path.exists():
        found = pd.concat([pd.read_csv(path), found]).drop_duplicates(KEYS, keep="last")
    by = ["table", "family", "settings", "ratio"]
    found = found.sort_values(by, key=lambda one: one if one.name == "ratio" else one.map(ORDER))
    path.parent.mkdir(parents=True, exist_ok=True)
    found.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def chance(part: pd.DataFrame) -> float:
    """Return by how much the share among so many rows is off on average if each row has its group by the true share: the mean of |normal law|."""
    return float(np.sqrt(2 / np.pi * part["ratio"] * (1 - part["ratio"]) / part["released"]).mean())


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row a table, family and settings: means over ratios, the rank correlation of ratio and share, and least and largest bytes."""
    lines = []
    for (table, family, settings), part in frame.groupby(["table", "family", "settings"], sort=False):
        means = part[["share_error", "total_variation", "quantiles", "accuracy_own", "accuracy_released"]].mean()
        costs = part[["fit_seconds", "sampling_seconds"]].mean()
        order = part["ratio"].corr(part["share"], method="spearman") if len(part) > 1 else float("nan")
        lines.append(
            {
                "table": table, "family": family, "settings": settings, "ratios": len(part), "chance": chance(part), "order": order,
                **means, **costs, "least_bytes": part["bytes"].min(), "most_bytes": part["bytes"].max(),
                "compressed": part["compressed"].mean(),
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def block(frame: pd.DataFrame) -> str:
    """Return what the page says of the records."""
    head = (
        "table", "generator", "fits", "off by (by chance)", "order", "categories", "numbers", "accuracy", "CPU s: fit", "drawing", "MB"
    )  # fmt: skip
    lines = [head, ("---",) * len(head)]
    for one in summary(frame).itertuples():
        lines.append(
            (
                one.table, one.family + (f", {one.settings}" if one.family == FOREST else ""), f"{one.ratios}",
                f"{one.share_error:.3f} ({one.chance:.3f})", f"{one.order:.2f}" if one.ratios > 1 else "", f"{one.total_variation:.3f}", f"{one.quantiles:.3f}",
                f"{one.accuracy_own:.3f} → {one.accuracy_released:.3f}", f"{one.fit_seconds:.0f}", f"{one.sampling_seconds:.1f}",
                _range(one.least_bytes, one.most_bytes),
            )
        )  # fmt: skip
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *lacking(frame), *verdict(frame)])


def lacking(frame: pd.DataFrame) -> list[str]:
    """Return a sentence on what of the planned fits is not in the table, if anything is."""
    there = set(frame[["table", "family", "settings", "ratio"]].itertuples(index=False, name=None))
    said = []
    for task in TASKS:
        for family, settings, ratios in ((OURS, "default", RATIOS), *((FOREST, *one) for one in task.settings.items())):
            left = [f"{ratio:g}" for ratio in ratios if (task.name, family, settings, ratio) not in there]
            if left:
                said.append(f"{task.name}, {family}, {settings} at {', '.join(left)}")
    return [f"Not measured yet: {'; '.join(said)}."] if said else []


def _range(least: float, most: float) -> str:
    low, high = f"{least / 1e6:.1f}", f"{most / 1e6:.1f}"
    return low if low == high else f"{low} to {high}"


def verdict(frame: pd.DataFrame) -> list[str]:
    """Return whether ForestDiffusion could be a model plugin, a sentence for each thing that a plugin must have, and what it would cost."""
    forest = frame[frame["family"] == FOREST]
    against = [_length(forest), *_state(forest)]
    other = int((~forest["same_from_bytes"]).sum())
    bytes_ = "the same rows bit for bit" if not other else f"other rows in {other} of {len(forest)} fits"
    said = [
        *against,
        f"Its boosters, kept as UBJSON without pickle and read again, draw {bytes_}.",
        _times(frame),
        _hours(forest),
        "So the package as it is cannot be a model plugin here." if any(against) or other else "",
    ]
    return [one for one in said if one]


def _length(forest: pd.DataFrame) -> str:
    """Return by how much the bytes differ between fits to equally many rows, if they do."""
    cells = forest.groupby(["table", "settings"])["bytes"].agg(["min", "max"])
    wide = 100 * (cells["max"] / cells["min"] - 1).max()
    if not wide:
        return ""
    return (
        "A model is a vector of fixed length here. What ForestDiffusion keeps is not: "
        f"its bytes differ by up to {_short(wide)} % between fits to equally many rows."
    )


def _state(forest: pd.DataFrame) -> list[str]:
    """Return what its objects change or hold that a plugin's must not."""
    moved, held = forest["global_state"].any(), (forest["rows_held"] > 0).any()
    return [
        "It takes its randomness from numpy's global state, where a plugin has a seed for each item." if moved else "",
        "A fitted object holds a copy of all its rows of training, so it must never be what is released."
        if held
        else "",
    ]


def _times(frame: pd.DataFrame) -> str:
    """Return how much larger and slower than ours the other family is, from the smallest to the largest task and settings."""
    found = summary(frame).set_index(["table", "family"])
    tables = [table for table in dict.fromkeys(frame["table"]) if {(table, OURS), (table, FOREST)} <= set(found.index)]
    size, slow = [], []
    for table in tables:
        own, others = found.loc[[(table, OURS)]].iloc[0], found.loc[[(table, FOREST)]]
        size += list(others["most_bytes"] / own["most_bytes"])
        slow += list(others["fit_seconds"] / own["fit_seconds"])
    if not size:
        return ""
    return f"It is {_span(size)} times as large as ours, and its fit takes {_span(slow)} times as long."


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _span(values: list[float]) -> str:
    low, high = _short(min(values)), _short(max(values))
    return low if low == high else f"{low} to {high}"


def _hours(forest: pd.DataFrame) -> str:
    """Return what its own settings would take at least where they were not measured, from the seconds of a smaller tree."""
    said = []
    for table, part in forest.groupby("table", sort=False):
        if "default" not in set(part["settings"]):
            trees = ROUNDS * int(part["features"].iloc[0])
            hours = trees * float((part["fit_seconds"] / part["trees"]).min()) / 3600
            said.append(
                f"With its own settings a fit to {table} is {trees:,} trees: at the seconds of a tree measured with `small`, whose trees are "
                f"shallower and see a tenth of the rows, {_short(hours)} CPU hours at least."
            )
    return " ".join(said)


def write_page(page: Path, frame: pd.DataFrame) -> None:
    """Write the table and the verdict between the page's markers."""
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{head}{BEGIN}\n\n{block(frame)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def work(arguments: argparse.Namespace) -> None:
    """Measure, write the table and the page, and print what it shows. Records that are not measured anew stay."""
    if not arguments.page:
        with tempfile.TemporaryDirectory() as name:
            python = arguments.python
            if python is None and arguments.families != ["ours"]:
                python, _ = installed(Path(name), BESIDE, OTHERS)
            for task in (one for one in TASKS if one.name in arguments.tables):
                sized = task._replace(rows=arguments.rows or task.rows, tested=arguments.rows or task.tested)
                for found in measure(sized, arguments.ratios, arguments.released, arguments.families, python):
                    kept(arguments.output, found)
    frame = pd.read_csv(arguments.output)
    if arguments.output.resolve() == OUTPUT:
        write_page(PAGE, frame)
    print(block(frame))


def main() -> int:
    names = [task.name for task in TASKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=names, default=names)
    parser.add_argument("--families", nargs="+", choices=["ours", *SETTINGS], default=["ours", *SETTINGS])
    parser.add_argument("--ratios", nargs="+", type=float, help="other than each table's own")
    parser.add_argument("--rows", type=int, help="rows of a generator, and as many to test on")
    parser.add_argument("--released", type=int, default=RELEASED, help="rows drawn from each generator")
    parser.add_argument("--python", type=Path, help="the Python of an environment with ForestDiffusion; none is made")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page from the table there")
    return common.status(work, parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
