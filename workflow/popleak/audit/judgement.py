"""The result of `judge`: public tables, a summary in words, and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ..core import plugins
from ..core.errors import PopleakError
from ..core.provenance import code_digest
from ..core.settings import digest
from ..measures import verdicts
from ..measures.intervals import Estimate
from ..store import parquet as store
from ..tables.leakage import BEST
from .tabular import Table

TABLES = ("scores", "leakage")


class Judgement:
    """Verdicts on models, as `judge` returns them.

    scores, leakage: DataFrames with the columns of the public tables (docs/tables.md): one row for each verdict, and
    one for each adversary and defence, with intervals. models: utility and fairness of the victims on the query
    points, NaN if unknown. left_out: the reason for each attack that was skipped. cautions: warnings.
    """

    def __init__(
        self,
        scores: pa.Table,
        leakage: pa.Table,
        models: pd.DataFrame,
        said: Mapping[str, Any],
        inputs: Sequence[Table],
        left_out: Mapping[str, str],
        cautions: Sequence[str],
        about: str,
    ) -> None:
        self._made, self._said, self._inputs, self._about = {"scores": scores, "leakage": leakage}, said, inputs, about
        self.scores, self.leakage, self.models = scores.to_pandas(), leakage.to_pandas(), models
        self.left_out, self.cautions = dict(left_out), list(cautions)

    def risk(self, defence: str = "none") -> Estimate:
        """Return how often the best adversary names the right world: value, low, high (95 %, clustered by pool split)
        and p against 1/2.

        The best adversary for each half of the splits is chosen on the other half, so that the choice adds no
        optimism. It is the one with the most knowledge. p is NaN: the table `leakage` has none. Raises PopleakError
        for a defence that was not judged.
        """
        rows = self.leakage[(self.leakage["adversary"] == BEST) & (self.leakage["defence"] == defence)]
        if rows.empty:
            known = ", ".join(dict.fromkeys(self.leakage["defence"]))
            raise PopleakError(f"defence {defence!r} was not judged: choose from {known}")
        row = rows.iloc[0]
        return Estimate(float(row["accuracy"]), float(row["accuracy_low"]), float(row["accuracy_high"]), float("nan"))

    def summary(self) -> str:
        """Return the verdicts in words: a line for each adversary and defence, then differences between defences, and
        skipped attacks."""
        return "\n".join([self._about, *self._table(), *self._differences(), *self._utility(), *self._remarks()])

    __str__ = summary

    def __repr__(self) -> str:
        return f"<Judgement of {self._about}>"

    def write(self, folder: str | Path) -> list[Path]:
        """Write `scores.parquet` and `leakage.parquet` into a folder, sealed, each whole or not at all; return the paths."""
        folder = Path(folder)
        named = {"attacks": self._adversaries(), "access": dict.fromkeys(self.leakage["access"])}
        modules = [
            "popleak.audit.judge",
            *(
                plugins.modules("questions")[plugins.question(name).name]
                for name in dict.fromkeys(self.leakage["protocol"])
            ),
            *(plugins.modules(kind).get(name) for kind, names in named.items() for name in names),
        ]
        code = code_digest(*(module for module in modules if module))
        files = [table.path for table in self._inputs if table.path is not None]
        written: list[Path] = []
        for name in TABLES:
            settings = {"table": name, **self._said}
            step = f"{name}-{digest({**settings, 'code': code})}"
            facts = store.provenance(
                stage="tables", step=step, settings=settings, code=code, inputs=written, files=[] if written else files
            )
            store.write(folder / f"{name}.parquet", self._made[name], facts)
            written.append(folder / f"{name}.parquet")
        return written

    def _adversaries(self) -> list[str]:
        return [name for name in dict.fromkeys(self.leakage["adversary"]) if name != BEST]

    def _rows(self) -> pd.DataFrame:
        """Return the rows that are shown; with a single adversary `best` adds nothing."""
        alone = len(self._adversaries()) == 1
        return self.leakage[self.leakage["adversary"] != BEST] if alone else self.leakage

    def _table(self) -> Iterator[str]:
        columns = ("accuracy", "advantage", "auc")
        head = ("defence", "adversary", "knows", *(f"{name} [95 %]" for name in columns), "against chance")
        cells = [head]
        for row in self._rows().to_dict("records"):
            estimates = (_estimate(row, name) for name in columns)
            told = "; ".join([str(row["against_chance"] or "-"), *verdicts.marks(row)])
            cells.append((row["defence"], row["adversary"], row["knowledge"], *map(_shown, estimates), told))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for cell in cells:
            yield "  ".join(text.ljust(size) for text, size in zip(cell, widths, strict=True)).rstrip()
        least = float(self.leakage["detectable_advantage"].min())
        if least == least:
            yield f"smallest advantage that this many victims and splits detect with power 0.8: {least:.2f}"
        else:
            yield "so few victims and splits detect no advantage with power 0.8"

    def _differences(self) -> Iterator[str]:
        rows = self._rows()
        if (rows["adversary"] == BEST).any():
            rows = rows[rows["adversary"] == BEST]
        for row in rows.to_dict("records"):
            for other in ("none", "control"):
                word = row[f"verdict_vs_{other}"]
                if isinstance(word, str):
                    told = _estimate(row, f"difference_vs_{other}")
                    why = row[f"reason_vs_{other}"]
                    yield (
                        f"{row['defence']} against {'no defence' if other == 'none' else 'its control'}, {row['adversary']} ({row['knowledge']}): "
                        f"accuracy {_shown(told)}: {word}{f' ({why})' if isinstance(why, str) else ''}"
                    )

    def _utility(self) -> Iterator[str]:
        for defence, part in self.models.groupby("defence", sort=False):
            known = [(name, part[name].mean()) for name in ("accuracy", "delta_eo") if part[name].notna().any()]
            if known:
                told = ", ".join(f"{name} {value:.3f}" for name, value in known)
                yield f"victims with defence {defence}, mean on the query points: {told}"

    def _remarks(self) -> Iterator[str]:
        yield from (f"caution: {line}" for line in self.cautions)
        yield from (f"left out: {name} {why}" for name, why in self.left_out.items())


def _estimate(row: Mapping[Any, Any], name: str) -> verdicts.Found:
    """Return an estimate in a row of `leakage`, in the form that sentences need."""
    return verdicts.Found(row[name], row[f"{name}_low"], row[f"{name}_high"], 0, 1, 0)


def _shown(found: verdicts.Found) -> str:
    limits = f" [{found.low:.3f}, {found.high:.3f}]" if found.low == found.low else ""
    return f"{found.value + 0.0:.3f}{limits}"
