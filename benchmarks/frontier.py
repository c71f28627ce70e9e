"""A step after training that keeps the base model's accuracy and hides the world: what a search chose, and what it came to elsewhere.

    python benchmarks/frontier.py choose results/frontier-search/tables/defences.parquet
    python benchmarks/frontier.py report results/frontier/tables/defences.parquet

`choose` reads the public table `defences` of the experiment `frontier-search`, each of whose tasks is called TABLE-F, F rows of S_0 to
one of the mixture. The rule was fixed before the search was run. For each F, pair of worlds and access, of the defences that train on no
public rows, those may be chosen that hide the world on both tables: certified at SMALL, or the interval of the best informed adversary's
advantage holds 0. Of these the one whose accuracy falls least against undefended models, on average over the tables. Where none hides it on both,
the one with the smallest advantage, on average.

`report` reads the same table of the experiment `frontier`, which ran what was chosen on other tables, once. For each of its tasks and pairs
of worlds it says of each defence whether it kept the base model's accuracy within a point, whether the best informed adversary is at chance,
and whether the data decide either.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import common
from popleak.core.errors import PopleakError
from popleak.measures.verdicts import SMALL
from popleak.report.chosen import EXCLUDED

POINT = 0.01
"""How far accuracy may fall."""
FOLDER = Path("docs/results/benchmarks")
CELL = ["protocol", "ratio_0", "ratio_1"]
SHOWN = (
    "accuracy_vs_none", "accuracy_vs_none_low", "accuracy_vs_none_high", "informed_advantage", "informed_advantage_low",
    "informed_advantage_high", "certified_advantage", "delta_eo",
)  # fmt: skip


def ran(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of defences in worlds that differ, with the columns `table` and `f` (F) from the names of tasks."""
    names = table["task"].str.rsplit("-", n=1)
    if not names.map(len).eq(2).all() or not names.str[1].str.fullmatch(r"\d+").all():
        raise PopleakError(
            "the tasks must be called TABLE-F, as in the experiment frontier-search: give the table defences of that one"
        )
    rows = table.assign(table=names.str[0], f=names.str[1].astype(int))
    return rows[(rows["defence"] != "none") & (rows["ratio_0"] != rows["ratio_1"])]


def hides(rows: pd.DataFrame) -> pd.Series:
    """Return whether each row is of a defence that may hide the world."""
    inside = (rows["informed_advantage_low"] <= 0) & (rows["informed_advantage_high"] >= 0)
    return (rows["certified_advantage"] <= SMALL) | inside


def choices(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield, for each F, pair of worlds and access, the defence that the rule chooses, among how many, and how it fared on each table."""
    rows = ran(table)
    rows = rows[rows["rows_public"] == 0]
    tables = rows["table"].nunique()
    for (f, *pair, access), part in rows.groupby(["f", *CELL, "access"], sort=True):
        part = part.assign(hides=hides(part))
        each = part.groupby("defence").agg(
            tables=("table", "nunique"), hides=("hides", "all"), accuracy=("accuracy_vs_none", "mean"),
            advantage=("informed_advantage", "mean"),
        )  # fmt: skip
        each = each[each["tables"] == tables]
        hiding = each[each["hides"]]
        chosen = hiding["accuracy"].idxmax() if len(hiding) else each["advantage"].idxmin()
        for row in part[part["defence"] == chosen].to_dict("records"):
            yield {
                "f": f, **dict(zip(CELL, pair, strict=True)), "access": access, "tried": len(each), "hiding": len(hiding),
                "defence": chosen, "settings": row["settings"], "table": row["table"], "hides": row["hides"],
                **{name: row[name] for name in SHOWN},
            }  # fmt: skip


def outcomes(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield for each task, pair of worlds and defence whether it kept the accuracy and hid the world: yes, no, or cannot tell."""
    for row in ran(table).to_dict("records"):
        low, high = row["accuracy_vs_none_low"], row["accuracy_vs_none_high"]
        kept = "yes" if low >= -POINT else "no" if high < -POINT else "cannot tell"
        least, most = row["informed_advantage_low"], row["informed_advantage_high"]
        shown = row["certified_advantage"] <= SMALL or (least >= -EXCLUDED and most <= EXCLUDED)
        hidden = "yes" if shown else "no" if least > 0 or most < 0 else "cannot tell"
        yield {
            "table": row["table"], "f": row["f"], **{name: row[name] for name in CELL}, "access": row["access"],
            "public": row["rows_public"] > 0, "defence": row["defence"], "kept": kept, "hidden": hidden, **{name: row[name] for name in SHOWN},
        }  # fmt: skip


def tell(found: pd.DataFrame) -> list[str]:
    """Return in a line for each F and pair of worlds how many cases of a table and a defence did both: trained again, after training, and on
    public rows; and which defences did on every table."""
    kinds = {
        "that train again": (found["access"] == "training") & ~found["public"],
        "after training": (found["access"] == "post-hoc") & ~found["public"],
        "on public rows": found["public"],
    }
    both = (found["kept"] == "yes") & (found["hidden"] == "yes")
    lines = []
    for (f, *pair), part in found.groupby(["f", *CELL], sort=True):
        counted = [
            f"{both[mine].sum()} of {len(mine)} {kind}"
            for kind, of in kinds.items()
            if len(mine := part.index[of[part.index]])
        ]
        always = both[part.index].groupby(part["defence"]).all()
        names = [str(name) for name, so in always.items() if so]
        lines.append(
            f"F 1 : {f}, {pair[0]} {pair[1]:g} against {pair[2]:g}: the accuracy is kept and the world hidden by {', '.join(counted)}; on every "
            f"table by {', '.join(names) or 'none'}"
        )
    return lines


def work(what: str, path: Path, folder: Path) -> None:
    """Write `frontier-search.csv` or `frontier.csv` into the folder, and say what it comes to."""
    if not path.exists():
        raise PopleakError(f"{path}: no such file: run the experiment first, and give its table defences")
    table = pd.read_parquet(path)
    if what == "choose":
        found = pd.DataFrame(choices(table))
        print(found.drop(columns="settings").to_string(index=False, float_format="{:.3f}".format))
    else:
        found = pd.DataFrame(outcomes(table))
        for line in tell(found):
            common.say(line)
    found.to_csv(
        folder / ("frontier-search.csv" if what == "choose" else "frontier.csv"), index=False, float_format="%.6g"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("choose", "report"))
    parser.add_argument("table", type=Path, help="the table defences of frontier-search, or of frontier")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the CSV goes")
    given = parser.parse_args()
    return common.status(work, given.what, given.table, given.folder)


if __name__ == "__main__":
    raise SystemExit(main())
