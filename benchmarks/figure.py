"""Draws the benchmarks' figures from their tables, as PNG and PDF beside them: `python benchmarks/figure.py`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import common
from growth import AXES
from popleak.figures import _style as style
from popleak.stages.figures import PDF_METADATA, PNG_METADATA
from popleak.store import parquet as store
from ways import SHOWN, Shape, with_better_jax

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

LOOKS = {
    "loader": style.Look(style.GREY, "s", (0, (1, 1))),
    "careful": style.Look(style.ORANGE, "^", (0, (5, 1.5))),
    "jax": style.Look(style.GREEN, "D", (0, (3, 1, 1, 1))),
    "stacked": style.Look(style.BLUE, "o", "-"),
}
LABELS = {
    "loader": "loader: one by one, DataLoader",
    "careful": "careful: one by one, tuned",
    "jax": "jax: one compiled epoch",
    "stacked": "stacked: the engine",
}
AXIS_LABELS = {"models": "models", "rows": "rows of a model", "width": "units of each hidden layer"}


def shape_label(shape: Shape) -> str:
    widths = ", ".join(map(str, shape.widths))
    return f"{shape.rows:,} × {shape.features}, ({widths}), {shape.batch}"


def training_figure(frame: pd.DataFrame) -> matplotlib.figure.Figure:
    """Return CPU seconds a model, share of sgemm and, where more threads were run, what they save, by shape and way."""
    frame = with_better_jax(frame)
    shapes, counts = list(dict.fromkeys(frame["shape"])), sorted(frame["threads"].unique())
    one = frame[frame["threads"] == counts[0]]
    figure = style.blank(8.6 if len(counts) > 1 else 6.9, 1.1 + 0.64 * len(shapes))
    panels = figure.subplots(1, 2 + (len(counts) > 1), sharey=True, width_ratios=[1.7, 1, 1][: 2 + (len(counts) > 1)])
    for axes in panels:
        style.bands(axes, len(shapes))
    _rows(panels[0], one, shapes, "cpu_seconds_per_model", ratios=True)
    panels[0].set_xscale("log")
    panels[0].set_xlabel("CPU seconds a model\n(×: times the engine's)")
    low, high = one["cpu_seconds_per_model"].min(), one["cpu_seconds_per_model"].max()
    panels[0].set_xlim(low / 1.6, high * 4)  # room for the last number
    _rows(panels[1], one.assign(percent=100 * one["share_of_sgemm"]), shapes, "percent")
    panels[1].set_xlabel("% of the rate\nof a large product")
    panels[1].set_xlim(left=0)
    if len(counts) > 1:
        keys = ["shape", "way", "repeat"]
        walls = frame.pivot(index=keys, columns="threads", values="wall_seconds_per_model")
        gain = (walls[counts[0]] / walls[counts[1]]).dropna().rename("gain").reset_index()
        _rows(panels[2], gain, shapes, "gain")
        panels[2].axvline(1, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)))
        panels[2].set_xlabel(f"wall time of {counts[0]} thread\nover that of {counts[1]}")
        panels[2].set_xlim(left=0)
    style.label_rows(panels[0], [shape_label(shape) for shape in shapes], shown=True)
    panels[0].annotate("rows × features, (hidden layers), batch", (0, 1), (-6, 5), xycoords="axes fraction",
                       textcoords="offset points", ha="right", fontsize=7.5, color=style.REFERENCE)  # fmt: skip
    for axes in panels[1:]:
        axes.tick_params(axis="y", length=0, labelleft=False)
    style.legend(figure, [style.key(LOOKS[way], LABELS[way]) for way in SHOWN if way in set(one["way"])])
    return figure


def _rows(axes: matplotlib.axes.Axes, frame: pd.DataFrame, shapes: list, column: str, *, ratios: bool = False) -> None:
    """Draw a marker at the median and a line over the repeats for each shape and way, a way's markers under the last's."""
    for at, shape in enumerate(shapes):
        cell = frame[frame["shape"] == shape].pivot(index="repeat", columns="way", values=column)
        for place, way in enumerate(SHOWN):
            if way not in cell:
                continue
            look, values, y = LOOKS[way], cell[way], at + 0.21 * (place - 1.5)
            axes.plot([values.min(), values.max()], [y, y], color=look.color, linewidth=1, clip_on=False)
            axes.plot([values.median()], [y], look.marker, color=look.color, markersize=5, clip_on=False)
            if ratios and way != "stacked":
                text = f"{(values / cell['stacked']).median():.3g}×"
                axes.annotate(text, (values.max(), y), (6, 0), textcoords="offset points", va="center", fontsize=7)


def growth_figure(frame: pd.DataFrame) -> matplotlib.figure.Figure:
    """Return CPU seconds (above) and peak memory (below) against models, rows and width."""
    names = [axis for axis in AXES if (frame["axis"] == axis).any()]
    figure = style.blank(1.0 + 2.6 * len(names), 4.9)
    panels = figure.subplots(2, len(names), squeeze=False, sharex="col", sharey="row")
    ways = [way for way in SHOWN if (frame["way"] == way).any()]
    for column, name in enumerate(names):
        cell = frame[frame["axis"] == name]
        for row, measure in enumerate(("cpu_seconds", "peak_memory_mb")):
            axes = panels[row, column]
            for way in ways:
                parts = cell[cell["way"] == way].groupby("value")[measure]
                middle, look = parts.median(), LOOKS[way]
                axes.plot(middle.index, middle, marker=look.marker, color=look.color, linestyle=look.line)
                axes.fill_between(middle.index, parts.min(), parts.max(), color=look.color, alpha=0.2, linewidth=0)
            axes.set_xscale("log")
        panels[0, column].set_yscale("log")
        panels[1, column].set_xlabel(AXIS_LABELS[name])
        for way, before in frame.groupby("way")["memory_before_mb"].median().items():
            panels[1, column].axhline(before, color=LOOKS[way].color, linewidth=0.8, linestyle=(0, (1, 2)))
        values = sorted(cell["value"].unique())
        for axes in panels[:, column]:
            axes.set_xticks(values, [f"{value:,}" for value in values])
            axes.minorticks_off()
    floor = frame["memory_before_mb"].min()
    panels[1, 0].annotate("dotted: after the imports", (0.98, floor), (0, -3), xycoords=("axes fraction", "data"),
                          textcoords="offset points", ha="right", va="top", fontsize=7.5, color=style.REFERENCE)  # fmt: skip
    panels[0, 0].set_ylabel("CPU seconds, all models")
    panels[1, 0].set_ylabel("peak memory, MB")
    panels[1, 0].set_ylim(bottom=0)
    style.legend(figure, [style.key(LOOKS[way], LABELS[way], line=True) for way in ways])
    return figure


FIGURES = {"training": training_figure, "growth": growth_figure}


def draw(folder: Path) -> list[Path]:
    """Draw the figures whose tables are in `folder`, beside them; return their PNG files."""
    paths = []
    for name, make in FIGURES.items():
        if not (folder / f"{name}.parquet").exists():
            continue
        frame = store.read(folder / f"{name}.parquet", stage="benchmark").to_pandas()
        with style.style():
            figure = make(frame)
            figure.savefig(folder / f"{name}.pdf", dpi=2 * style.PNG_DPI, metadata=PDF_METADATA)
            figure.savefig(folder / f"{name}.png", dpi=style.PNG_DPI, metadata=PNG_METADATA)
        paths.append(folder / f"{name}.png")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=common.RESULTS, help="where the tables are")
    for path in draw(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
