"""Stage `figures`: draw one figure from the public tables, as PDF, PNG and the plotted numbers in CSV."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import atomic, inert, plugins
from ..core.errors import PopleakError
from ..figures._style import PNG_DPI, style
from ..steps.figures import FiguresStep
from ..store import parquet as store
from ..store import seal

if TYPE_CHECKING:
    import matplotlib.figure

# a date or a version in a file would make equal figures differ
PDF_METADATA = {"CreationDate": None, "Producer": None, "Creator": None}
PNG_METADATA = {"Software": None}


def run(*, settings: FiguresStep, tables: Mapping[str, Path], stem: Path, step: str, code: str) -> None:
    """Draw the figure named in the settings; see `draw`."""
    draw(name=settings.figure, tables=tables, stem=stem, tau=settings.tau)


def draw(*, name: str, tables: Mapping[str, str | Path], stem: str | Path, tau: float) -> tuple[Path, Path, Path]:
    """Draw the figure `name` from `tables` (paths by table name), with the experiment's `tau`; return the paths of <stem>.pdf, .png and .csv.

    Their digests are written to <stem>.sha256. Equal tables give equal bytes. Raises PopleakError if a table that the
    figure reads is missing or damaged, or if the tables are not from one run.
    """
    plugin = plugins.load("figures", name)
    absent = [table for table in plugin.tables if table not in tables]
    if absent:
        raise PopleakError(f"figure {name}: needs the table {absent[0]!r}: pass its path")
    read = plugin.reads(tables)
    store.agree({table: tables[table] for table in read})
    frames = {table: store.read(tables[table]).to_pandas() for table in read}
    stem = Path(stem)
    pdf, png, csv = (stem.with_name(f"{stem.name}.{end}") for end in ("pdf", "png", "csv"))
    with style():
        figure, plotted = plugin.draw(frames, tau=tau)
        _settle(figure)
        # through memory: on a full disk matplotlib's writer of PDF fails in a way that hides the cause
        atomic.write(pdf, _file(figure, format="pdf", dpi=2 * PNG_DPI, metadata=PDF_METADATA))
        atomic.write(png, _file(figure, format="png", dpi=PNG_DPI, metadata=PNG_METADATA))
    with atomic.replacing(csv) as path:
        inert.frame(plotted).to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    seal.write_manifest(stem.with_name(f"{stem.name}.sha256"), (pdf, png, csv))
    return pdf, png, csv


def _settle(figure: matplotlib.figure.Figure) -> None:
    """Lay a figure out, once for all its files.

    It takes two passes, because tick labels change with a panel's size. The solver's last bits differ from one figure
    to the next, so places are rounded: otherwise a pixel may differ between equal figures.
    """
    for _ in range(2):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(end), 6) for end in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height), which="original")


def _file(figure: matplotlib.figure.Figure, **options: Any) -> bytes:
    """Return a figure as the bytes of a file."""
    file = io.BytesIO()
    figure.savefig(file, **options)
    return file.getvalue()
