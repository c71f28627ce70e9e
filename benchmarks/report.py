"""Writes what the benchmarks found into docs/performance.md, between its markers: `python benchmarks/report.py`.

Numbers on that page come from the tables in results/benchmarks and are never typed. Tables (as CSV) and figures are
copied into docs/results/benchmarks, so that a page and its numbers are committed together.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

import common
import experiment
import figure
from growth import AXES
from popleak.report import readme
from popleak.store import parquet as store
from ways import JAX, SHAPE, SHOWN, shapes_in, with_better_jax

BEGIN, END = "<!-- benchmarks: begin, written by benchmarks/report.py -->", "<!-- benchmarks: end -->"
PAGE, FOLDER = Path("docs/performance.md"), Path("docs/results/benchmarks")


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def section(title: str, paths: Sequence[Path], make: Callable[[], str]) -> str:
    """Return a section in Markdown: what `make` returns, or, where one of the tables it is made of is missing, that it was not measured."""
    return f"### {title}\n\n{make() if all(path.exists() for path in paths) else 'Not measured yet.'}\n\n"


def linked(paths: Sequence[Path], results: Path) -> str:
    """Return links from a page in docs to tables within docs/results, which is `results`."""
    return ", ".join(f"[{path.name}](results/{path.relative_to(results).as_posix()})" for path in paths)


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds, to three digits."""
    return f"{1000 * seconds:,.0f}" if seconds >= 0.0995 else f"{1000 * seconds:.3g}"


def training(frame: pd.DataFrame, facts: dict) -> str:
    """Return costs of the ways by shape, on the fewest threads, and what more threads save."""
    counts = sorted(frame["threads"].unique())
    compiled = frame[frame["threads"] == counts[0]].groupby("way")["first_round_cpu_seconds"]
    rest = ", ".join(f"`{way}` {middle:.1f}" for way, middle in compiled.median().items() if way in (*JAX, "stacked"))
    frame = with_better_jax(frame)
    shown = [way for way in SHOWN if way in set(frame["way"])]
    rows = []
    for shape, cell in frame.groupby("shape", sort=False):
        one = cell[cell["threads"] == counts[0]]
        cpu = one.pivot(index="repeat", columns="way", values="cpu_seconds_per_model")
        middle = one.groupby("way").median(numeric_only=True)
        memory = facts["memory_before_mb"][str(shape)]["stacked"]
        walls = cell[cell["way"] == "stacked"].pivot(index="repeat", columns="threads", values="wall_seconds_per_model")
        double = max(facts["max_weight_difference_in_double"][str(shape)].values())
        rows.append(
            [
                figure.shape_label(shape), one["epochs"].iloc[0],
                *(milliseconds(cpu[way].median()) for way in shown),
                *(common.spread(cpu[way] / cpu["stacked"], 2 if way == "jax" else 1) for way in shown[:-1]),
                *(one.loc[one["way"] == "jax", "form"].iloc[:1].str.removeprefix("jax-")),
                f"{middle.loc['stacked', 'share_of_sgemm']:.1%}",
                f"{middle.loc['stacked', 'peak_memory_mb']:.0f} ({memory['imports']:.0f})",
                *(common.spread(walls[counts[0]] / walls[more]) for more in counts[1:]),
                f"{one['max_weight_difference'].max():.0e}", f"{double:.0e}",
            ]
        )  # fmt: skip
    header = [
        "rows × features, (hidden), batch", "epochs", *(f"`{way}`, CPU ms" for way in shown),
        *(f"`{way}` / `stacked`" for way in shown[:-1]), *(["JAX with"] if "jax" in shown else []),
        "% of sgemm", "MB (imports)",
        *(f"wall, {counts[0]} thread / {more}" for more in counts[1:]), "difference, single", "double",
    ]  # fmt: skip
    most = frame.groupby("way")["models"].max()
    said = (
        f"CPU milliseconds a model, all epochs, on {counts[0]} thread: medians of {frame['repeat'].nunique()} repeats; "
        f"ratios within a repeat, with lowest and highest. The engine trained up to {most['stacked']} models in a process, "
        f"{'JAX as many, ' if 'jax' in most else ''}the loops up to {most['careful']}. CPU seconds a process of the first round, with what it compiles, median over shapes: "
        f"{rest}. The rate of a large product was {facts['sgemm_gflops']:.0f} GFLOP/s."
    )
    return f"{said}\n\n{grid(header, rows)}"


def growth(frame: pd.DataFrame, facts: dict) -> str:
    """Return CPU seconds and peak memory at the ends of each axis."""
    rows = []
    for axis in AXES:
        for value, cell in frame[frame["axis"] == axis].groupby("value"):
            middle = cell.groupby("way").median(numeric_only=True)
            numbers = [
                f"{middle.loc[way, name]:.{digits}f}"
                for name, digits in (("cpu_seconds", 2), ("peak_memory_mb", 0))
                for way in ("careful", "stacked")
            ]
            rows.append([figure.AXIS_LABELS[axis], f"{value:,}", *numbers])
    header = ["what grows", "to", "`careful`, CPU s", "`stacked`, CPU s", "`careful`, MB", "`stacked`, MB"]
    base = shapes_in(frame[frame["axis"] == "models"])
    where = figure.shape_label(base[0]) if base else facts["settings"]["base"]
    others = facts["settings"]["other_models"]
    return (
        f"All models together, {frame['epochs'].iloc[0]} epochs; what does not grow is {where}, and {others} models.\n\n"
        f"{grid(header, rows)}"
    )


def whole(frame: pd.DataFrame, facts: dict) -> str:
    """Return shares of an experiment's wall time, a column an experiment and number of worker processes."""
    cells = {key: cell for key, cell in frame.groupby(["experiment", "cores"], sort=False)}
    rows = [
        [label, *(f"{cell[name].mean():.0f}" for cell in cells.values())]
        for label, name in (("wall seconds", "run_wall_seconds"), ("`popleak plan` says", "estimated_wall_seconds"))
    ]
    for part, label in experiment.NAMES.items():
        shares = (cell.loc[cell["part"] == part, "share"].sum() / cell["repeat"].nunique() for cell in cells.values())
        rows.append([label, *(f"{share:.1%}" for share in shares)])
    header = ["share of wall time × processes", *(f"{name}, {cores} at a time" for name, cores in cells)]
    said = ""
    for name, cell in frame.groupby("experiment", sort=False):
        walls = cell.groupby("cores")["run_wall_seconds"].mean()
        for cores in walls.index[1:]:
            ratio = walls.iloc[0] / walls[cores]
            said += f"\n`{name}` with {cores} worker processes: {ratio:.2f} times as fast as with {walls.index[0]}.\n"
    return grid(header, rows) + said


def storage(frame: pd.DataFrame, facts: dict) -> str:
    """Return sizes and seconds by number of models."""
    rows = []
    for (models, way), part in frame.groupby(["models", "way"]):
        middle = part.median(numeric_only=True)
        rows.append([f"{models:,}", f"`{way}`", f"{middle['files']:.0f}", f"{middle['bytes'] / 1e6:.2f}",
                     f"{middle['disk_bytes'] / 1e6:.2f}", f"{1000 * middle['write_seconds']:.1f}",
                     f"{1000 * middle['read_seconds']:.1f}"])  # fmt: skip
    return grid(["models", "way", "files", "MB", "MB on disk", "write, ms", "read, ms"], rows)


def census(frame: pd.DataFrame, facts: dict) -> str:
    """Return measured seconds and estimated hours by stage."""
    rows = [
        [
            part.stage,
            f"{part.models:,}",
            f"{part.cpu_seconds:.1f}",
            f"{part.all_models:,}",
            f"{part.estimated_cpu_hours:.2f}",
        ]
        for part in frame.itertuples()
    ]
    rows.append(["all", "", f"{frame['cpu_seconds'].sum():.1f}", "", f"{frame['estimated_cpu_hours'].sum():.2f}"])
    said = (
        "11 ratios; 500 victims a ratio on 200,000 rows each, 50 shadows on 50,000 rows; 105 features, hidden layers (64, 16), 20 epochs, "
        f"batches of 200. A share of {facts['settings']['share']:.3g} of the models is run in full size in one process, "
        f"which held {frame['peak_memory_mb'].max():.0f} MB at most."
    )
    return f"{said}\n\n{grid(['stage', 'models run', 'CPU s', 'models in all', 'CPU-hours in all'], rows)}"


PARTS = {
    "training": ("Training", training), "growth": ("Growth", growth), "experiment": ("A whole experiment", whole),
    "storage": ("Storage", storage), "census": ("The census setting", census),
}  # fmt: skip


def block(tables: Path, beside: str = "") -> str:
    """Return the block in Markdown from the tables in the folder `tables`; a part that was not run says so. beside: how the page links to
    the folder of the figures."""
    text = ""
    for name, (title, make) in PARTS.items():
        path = tables / f"{name}.parquet"
        text += f"### {title}\n\n"
        if not path.exists():
            text += f"Not measured yet: `python benchmarks/{name}.py`.\n\n"
            continue
        facts = store.facts(path)
        versions = ", ".join(f"{library} {facts['versions'][library]}" for library in ("python", "torch", "numpy"))
        text += f"{facts['processor']}, {facts['cores']} cores; {versions}.\n\n"
        text += f"{make(store.read(path, stage='benchmark').to_pandas(), facts)}\n"
        if name in figure.FIGURES:
            text += f"![{title}]({beside}{name}.png)\n\n"
    return text


def write(tables: Path, page: Path, folder: Path) -> None:
    """Write the block into `page`, and block.md, figures and tables into `folder`.

    Raises PopleakError if the page lacks the markers; nothing is written then.
    """
    whole = readme.around(page, BEGIN, END)
    found = block(tables)
    beside = Path(os.path.relpath(folder, page.parent)).as_posix()
    folder.mkdir(parents=True, exist_ok=True)
    for path in figure.draw(tables):
        shutil.copyfile(path, folder / path.name)
    for name in PARTS:
        if (tables / f"{name}.parquet").exists():
            frame = store.read(tables / f"{name}.parquet", stage="benchmark").to_pandas()
            if set(SHAPE) <= set(frame):
                frame["widths"] = ["x".join(map(str, widths)) for widths in frame["widths"]]
            frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    (folder / "block.md").write_text(found, encoding="utf-8")
    readme.put(page, whole, block(tables, f"{beside}/"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, default=common.RESULTS, help="where the benchmarks wrote their tables")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where figures and tables are kept for the page")
    arguments = parser.parse_args()
    return common.status(write, arguments.tables, arguments.page, arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
