"""How training grows with models, rows and width, in CPU seconds and memory: `python benchmarks/growth.py`.

One axis grows at a time, the others stay as in the shape of `ways.DEFAULT`. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa

import common
import training
from ways import DEFAULT, SHAPE, Shape

OUTPUT = common.RESULTS / "growth.parquet"
WAYS = ("careful", "stacked")
AXES = {
    "models": (1, 4, 16, 64, 256, 1024),
    "rows": (500, 2000, 8000, 50000),
    "width": (8, 32, 128, 512),
}
SCHEMA = pa.schema(
    {
        "axis": pa.string(), "value": pa.int64(), "rows": pa.int64(), "features": pa.int64(),
        "widths": pa.list_(pa.int64()), "batch": pa.int64(), "epochs": pa.int64(), "way": pa.string(),
        "models": pa.int64(), "threads": pa.int64(), "repeat": pa.int64(), "cpu_seconds": pa.float64(),
        "wall_seconds": pa.float64(), "peak_memory_mb": pa.float64(), "memory_before_mb": pa.float64(),
    }
)  # fmt: skip


def point(axis: str, value: int, models: int) -> tuple[Shape, int]:
    """Return the shape and the number of models where `axis` has this value. width: units of both hidden layers."""
    if axis == "models":
        return DEFAULT, value
    change = {"rows": value} if axis == "rows" else {"widths": (value, value)}
    return dataclasses.replace(DEFAULT, **change), models


def measure(axis: str, value: int, models: int, epochs: int, repeat: int) -> list[dict]:
    """Return one record a way at one point, the ways in the order of this repeat."""
    shape, models = point(axis, value, models)
    records = []
    for way in common.turns(WAYS, repeat):
        found = common.apart(training.measure, shape, way, models, epochs, 1)
        records.append(
            {
                "axis": axis, "value": value, **asdict(shape), "epochs": epochs, "way": way, "models": models,
                "threads": 1, "repeat": repeat, "cpu_seconds": found["cpu_seconds_per_model"] * models,
                "wall_seconds": found["wall_seconds_per_model"] * models, "peak_memory_mb": found["peak_memory_mb"],
                "memory_before_mb": found["memory"][0],
            }
        )  # fmt: skip
    return records


def summary(frame: pd.DataFrame) -> str:
    """Return medians over the repeats, one line a point and way."""
    lines = [f"{'axis':<8}{'value':>7}  {'shape':<22}{'models':>6}  {'way':<9}{'CPU s':>9}{'wall s':>9}{'MB':>7}"]
    for (axis, value, way), part in frame.groupby(["axis", "value", "way"], sort=False):
        middle = part.median(numeric_only=True)
        shape = Shape(*part[SHAPE].iloc[0])
        lines.append(
            f"{axis:<8}{value:>7}  {shape!s:<22}{middle['models']:>6.0f}  {way:<9}"
            f"{middle['cpu_seconds']:>9.3f}{middle['wall_seconds']:>9.3f}{middle['peak_memory_mb']:>7.0f}"
        )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure, write the table, print its medians and return it."""
    points = [(axis, value) for axis in AXES for value in getattr(arguments, axis)]
    records = []
    for repeat in range(arguments.repeats):
        for axis, value in points:
            records += measure(axis, value, arguments.other_models, arguments.epochs, repeat)
        common.say(f"growth: repeat {repeat + 1} of {arguments.repeats}")
    frame = pd.DataFrame.from_records(records)
    frame["order"] = [points.index(found) for found in zip(frame["axis"], frame["value"])]
    frame = frame.sort_values(["order", "way", "repeat"], kind="stable").drop(columns="order")
    settings = {**{key: value for key, value in vars(arguments).items() if key != "output"}, "base": str(DEFAULT)}
    common.write(arguments.output, frame, SCHEMA, __file__, settings)
    print(summary(frame))
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for axis, values in AXES.items():
        parser.add_argument(f"--{axis}", type=int, nargs="*", default=list(values), help=f"values of the axis {axis}")
    parser.add_argument("--other-models", type=int, default=16, help="models on the axes rows and width")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
