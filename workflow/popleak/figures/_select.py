"""Choosing rows of the public tables: facets, pairs of worlds, the best informed adversary, means with intervals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..core import plugins
from ..core.protocols import EQUAL, PROTOCOLS, RATIO
from ..measures.published import MIDDLE
from ..store.plain import alike as alike
from ..store.plain import alive as alive
from ..store.plain import differ as differ
from ..store.plain import plain as plain
from ._style import short

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PAIR = ["protocol", "ratio_0", "ratio_1"]
FACET = ["task", "model"]
ADVERSARY = ["adversary", "poison", "shadow_model", "repeats"]

T = TypeVar("T")


class Facet(NamedTuple):
    """One task and model; the title leaves the model out where there is only one."""

    task: str
    model: str
    title: str


class Pair(NamedTuple):
    """Two worlds."""

    protocol: str
    ratio_0: float
    ratio_1: float

    @property
    def label(self) -> str:
        return f"{self.protocol}: {self.ratio_0:g} vs {self.ratio_1:g}"

    @property
    def rank(self) -> tuple:
        """Pure before ratio before equal, wide before narrow."""
        known = PROTOCOLS.index(self.protocol) if self.protocol in PROTOCOLS else len(PROTOCOLS)
        return known, self.protocol, -abs(self.ratio_1 - self.ratio_0), self.ratio_0, self.ratio_1


def facets(frame: pd.DataFrame) -> list[Facet]:
    """Return the tasks (and models) in `frame`, sorted."""
    found = sorted(set(zip(frame["task"], frame["model"], strict=True)))
    several = len({model for _, model in found}) > 1
    return [Facet(task, model, wrapped(task) + (f"\n{wrapped(model)}" if several else "")) for task, model in found]


def wrapped(name: str) -> str:
    return textwrap.fill(name, 22)  # a panel's title must not reach into its neighbour


def pairs(frame: pd.DataFrame) -> list[Pair]:
    """Return the pairs of worlds in `frame`: pure, ratio, equal; widest first."""
    found = {Pair(str(p), float(r0), float(r1)) for p, r0, r1 in frame[PAIR].drop_duplicates().itertuples(index=False)}
    return sorted(found, key=lambda pair: pair.rank)


def of(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows whose columns equal `values`."""
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def among(frame: pd.DataFrame, columns: list[str], wanted: set[tuple]) -> pd.DataFrame:
    """Return the rows whose values in `columns` are one of `wanted`."""
    import numpy as np

    found = [values in wanted for values in frame[columns].itertuples(index=False, name=None)]
    return frame[np.array(found, dtype=bool)]


def of_pair(frame: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """Return the rows of one pair of worlds."""
    return of(frame, **pair._asdict())


def main_pairs(frame: pd.DataFrame) -> dict[tuple[str, str], Pair]:
    """Return for each task and model the pair to show where there is room for one: pure,
    else the widest; equal never."""
    frame = differ(frame)
    found = sorted(set(zip(frame["task"], frame["model"], strict=True)))
    return {(task, model): pairs(of(frame, task=task, model=model))[0] for task, model in found}


class Cell(NamedTuple):
    """One panel: a task and model, a pair of worlds, and the panel's title."""

    facet: Facet
    pair: Pair
    title: str

    @property
    def keys(self) -> dict[str, object]:
        """Return the columns that name the cell, with their values."""
        return {"task": self.facet.task, "model": self.facet.model, **self.pair._asdict()}

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the cell's rows."""
        return of(frame, **self.keys)


def row_label(cell: Cell, frame: pd.DataFrame, *, pair: bool) -> str:
    """Return how a row names its cell in a figure of `frame`: the task, the model if there are several, and the `pair` if it is to say so."""
    model = f", {cell.facet.model}" if frame["model"].nunique() > 1 else ""
    task = short(cell.facet.task, 24)
    return f"{task}{model} ({cell.pair.label})" if pair else f"{task}{model}"


def cells(frame: pd.DataFrame, most: int | None = None) -> tuple[list[Cell], int]:
    """Return the tasks and pairs of worlds of which `frame` has rows, one panel each, and how many of them are left out.

    Each task's widest pair comes before any second one, so that of more than `most` those left out are the narrow ones;
    equal worlds go first of all. Of cells with the same claim to a place, `spread` chooses.
    """
    found: dict[tuple[bool, int], list[Cell]] = {}
    for facet in facets(frame):
        for place, pair in enumerate(pairs(of(frame, task=facet.task, model=facet.model))):
            rank = (pair.ratio_0 == pair.ratio_1, place)
            found.setdefault(rank, []).append(Cell(facet, pair, f"{facet.title}\n{pair.label}"))
    kept: list[Cell] = []
    for _, alike_ in sorted(found.items(), key=lambda one: one[0]):
        kept += spread(alike_, None if most is None else most - len(kept))
    return kept, sum(map(len, found.values())) - len(kept)


def spread(items: Sequence[T], most: int | None) -> list[T]:
    """Return at most so many items, at equal distances in their order: of tasks in the order of the alphabet not the first ones alone."""
    if most is None or len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(max(0, most))]


def main_cells(frame: pd.DataFrame, most: int | None = None) -> tuple[list[Cell], int]:
    """Return a cell for each task and model, of its main pair, and how many of them are left out (`spread`); see `main_pairs`."""
    chosen = main_pairs(frame)
    found = [
        Cell(facet, pair, f"{facet.title}\n{pair.label}")
        for facet in facets(frame)
        if (pair := chosen.get((facet.task, facet.model)))
    ]
    kept = spread(found, most)
    return kept, len(found) - len(kept)


def mark(frame: pd.DataFrame, shown: Iterable[Cell]) -> np.ndarray:
    """Return which rows of `frame` are of the cells that are shown."""
    import numpy as np

    keys = {tuple(cell.keys.values()) for cell in shown}
    return np.array([key in keys for key in frame[[*FACET, *PAIR]].itertuples(index=False, name=None)], dtype=bool)


def cut(items: list[T], wide: int) -> list[list[T]]:
    """Return the items in rows of `wide`."""
    return [items[i : i + wide] for i in range(0, len(items), wide)]


def columns(count: int, most: int = 4) -> int:
    """Return in how many columns to show `count` panels: at most `most`, rows as even as can be."""
    return math.ceil(count / math.ceil(count / most)) if count else 1


REFERENCES = ("data", "ceiling")
"""Adversaries that are lines to compare with: no candidates for `best`, not drawn as one more attack."""


def transductive(name: str) -> bool:
    """Return whether an adversary scales its scores over all victims of a call, which the game forbids."""
    return "transductive" in name


def data(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the adversary that is given the training rows themselves."""
    return frame[_data(frame)]


def attacks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of attacks on models: all but the one that is given the training rows, and audits, which judge trainings."""
    audits = [
        name for name in frame["access"].unique() if (one := plugins.find("access", name)) and one.reads == "audits"
    ]
    return frame[~_data(frame) & ~frame["access"].isin(audits)]


def _data(frame: pd.DataFrame) -> np.ndarray:
    blind = [name for name in frame["access"].unique() if (one := plugins.find("access", name)) and not one.of_model]
    found: np.ndarray = (frame["adversary"].eq("data") | frame["access"].isin(blind)).to_numpy(dtype=bool)
    return found


def black_box(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that see a victim's answers alone, judged alone, and `best` of these."""
    seen = [name for name in frame["access"].unique() if (one := plugins.find("access", name)) and one.black_box]
    kept = frame["access"].isin([*seen, "any"]) & ~frame["adversary"].map(transductive).astype(bool)
    return attacks(frame[kept])


def informed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return each adversary's rows with informed shadows, or that need none. Undefended victims' shadows are undefended
    whatever is known, so for `none` an unaware row serves where there is no informed one. `aware` never does."""
    able = frame[frame["knowledge"].isin(["informed", "any"])]
    keys = [name for name in [*FACET, *PAIR, *ADVERSARY, "ratios"] if name in frame]
    seen = set(of(able, defence="none")[keys].itertuples(index=False, name=None))
    spare = frame[(frame["defence"] == "none") & (frame["knowledge"] == "unaware")]
    kept = [row not in seen for row in spare[keys].itertuples(index=False, name=None)]
    return frame.loc[[*able.index, *spare.index[kept]]]


def against_half(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the informed rows of pairs of worlds with one at 1/2, the other's ratio in `ratio`; equal worlds at 1/2 are among them."""
    import numpy as np

    frame = plain(leakage).reset_index(drop=True)
    middle_0, middle_1 = (np.isclose(frame[name].astype(float), MIDDLE) for name in ("ratio_0", "ratio_1"))
    equal = (frame["protocol"] == EQUAL) & middle_0 & middle_1
    frame = frame[((frame["protocol"] == RATIO) & (middle_0 | middle_1)) | equal]
    frame = alive(frame[frame["accuracy"].notna()]).reset_index(drop=True)
    other = np.where(np.isclose(frame["ratio_0"].astype(float), MIDDLE), frame["ratio_1"], frame["ratio_0"])
    frame["ratio"] = other.astype(float)
    frame = informed(frame).sort_values("ratio", kind="stable")
    # one pair may be given in either order; its rows belong to one point, the first given
    return frame.drop_duplicates(["task", "model", "ratio", "defence", "adversary"])


def best_informed(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `best` with informed shadows, of plain games alone."""
    return informed(of(plain(leakage), adversary="best"))


class Line(NamedTuple):
    """A line to compare with, and its 95 % interval."""

    value: float
    low: float
    high: float


def data_line(frame: pd.DataFrame, facet: Facet, pair: Pair) -> Line | None:
    """Return the accuracy of the adversary that is given the training rows of undefended victims; None if not run."""
    rows = of(of_pair(of(data(frame), task=facet.task, model=facet.model), pair), defence="none")
    rows = rows[rows["accuracy"].notna()]
    return Line(*map(float, rows[["accuracy", "accuracy_low", "accuracy_high"]].iloc[0])) if len(rows) else None


class Mean(NamedTuple):
    """A mean with its 95 % interval; n is the number of finite values."""

    mean: float
    low: float
    high: float
    n: int


def mean_over_splits(values: pd.Series, splits: pd.Series, span: tuple[float, float] | None = None) -> Mean:
    """Return the mean of the finite values with the interval of the tables and claims: `measures.intervals.mean`.

    That is t over splits, never narrower than for independent models at a design effect of 1/2; from a single split the
    models are taken for independent; NaN from a single model. span: the least and greatest value possible.
    """
    import numpy as np

    from ..measures import intervals

    values = values.astype(float)
    kept = np.isfinite(values)
    found = intervals.mean(values[kept].to_numpy(), splits[kept].to_numpy(), span=span)
    return Mean(found.value, found.low, found.high, int(kept.sum()))


def frame_of(rows: Iterable[dict], names: Iterable[str]) -> pd.DataFrame:
    """Return `rows` as a frame with these columns, present even if there are no rows."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(names))
