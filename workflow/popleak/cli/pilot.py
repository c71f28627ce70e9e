"""What a finished run says of the next one: how paired differences vary, from its table `leakage`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..core.errors import PopleakError
from ..measures.paired import Spread
from ..store import parquet as store
from ..store import schema

OTHERS = ("control", "none")


class Pilot(NamedTuple):
    """One difference of the primary family: its cell in words, how it spread, and the design that it was measured with."""

    name: str
    spread: Spread
    splits: int
    victims: int


def read(path: Path) -> list[Pilot]:
    """Return the differences of the best informed adversary to the matched control; to `none` where no defence has a control.

    path: the table `leakage` of a finished run. Differences without a spread (the same models, one split) are left out. Raises PopleakError for a file
    that is no such table, or of an earlier version, and where no difference is left.
    """
    table = store.read(path, stage="tables")
    known = [f"{name}_vs_{other}" for other in OTHERS for name in ("sd", "between")]
    if (
        table.column_names[:2] != [column.name for column in schema.LEAKAGE][:2]
        or "p_vs_control" not in table.column_names
    ):
        raise PopleakError(f"{path}: is not the table `leakage`: give results/EXPERIMENT/tables/leakage.parquet")
    if not {"family", *known} <= set(table.column_names):
        raise PopleakError(
            f"{path}: was written by an earlier version, which did not say how differences vary: run the experiment again"
        )
    frame = table.to_pandas()
    primary = frame[frame["family"] == "primary"]
    for other in OTHERS:
        kept = primary[primary[[f"sd_vs_{other}", f"between_vs_{other}"]].notna().all(axis=1)]
        if len(kept):
            return [_pilot(row, other) for row in kept.to_dict("records")]
    raise PopleakError(
        f"{path}: no difference of the best informed adversary is known there: run it with two pool splits or more"
    )


def _pilot(row: dict, other: str) -> Pilot:
    name = (
        f"{row['task']}, {row['model']}, {row['protocol']} {row['ratio_0']:g} against {row['ratio_1']:g}: {row['defence']} minus "
        f"{'its control' if other == 'control' else other}"
    )
    spread = Spread(float(row[f"sd_vs_{other}"]), float(row[f"between_vs_{other}"]))
    return Pilot(name, spread, int(row["splits"]), int(row["victims"]))
