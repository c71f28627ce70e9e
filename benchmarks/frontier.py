"""A step after training that keeps the base model's accuracy and hides the world: what a search chose, and what it came to elsewhere.

    python benchmarks/frontier.py choose results/frontier-search/tables/defences.parquet
    python benchmarks/frontier.py report results/frontier/tables/defences.parquet

`choose` reads the public table `defences` of the experiment `frontier-search`, each of whose tasks is called TABLE-F, F rows of S_0 to
one of the mixture. The rule was fixed before the search was run. For each F, pair of worlds and access, of the defences that train on no
public rows, those may be chosen that hide the world on both tables: certified at SMALL, or the interval of the best informed adversary's
advantage holds 0. Of these the one whose accuracy falls least against undefended models, on average over the tables. Where none hides it on both,
the one with the smallest advantage, on average.

`report` reads the same table of the experiment `frontier`, which ran what was chosen on other tables, once. For each of its tasks and pairs
of worlds it says of each defence whether it was chosen for them, whether it kept the base model's accuracy within a point, whether the best
informed adversary is at chance by the interval that holds for all uncertified defences of the case together, and whether the data decide
either. Where most undefended models give all records one label nothing is judged, since a defence need not tell records apart; a defence
under which most do, or many diverged, keeps nothing and hides nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import common
from popleak.core.errors import PopleakError
from popleak.core.settings import canonical
from popleak.figures._defences import usable
from popleak.measures.verdicts import SMALL
from popleak.report.chosen import EXCLUDED, applicable

POINT = 0.01
"""How far accuracy may fall."""
FOLDER = Path("docs/results/benchmarks")
CELL = ["protocol", "ratio_0", "ratio_1"]
ALL = ("informed_advantage_low_all", "informed_advantage_high_all")
UNASKED = "not applicable"
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
                "defence": chosen, "kind": row["kind"], "settings": row["settings"], "table": row["table"], "hides": row["hides"],
                **{name: row[name] for name in SHOWN},
            }  # fmt: skip


def outcomes(table: pd.DataFrame, chosen: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield for each task, pair of worlds and defence whether it kept the accuracy and hid the world: yes, no, cannot tell, or, where
    undefended models are of no use, not applicable. chosen: what `choices` returned, as a table."""
    picked = {_made_by(row) for row in chosen.to_dict("records")}
    rows = ran(table)
    judged = set(applicable(table)[0].index)
    for (index, row), of_use in zip(rows.to_dict("index").items(), usable(rows), strict=True):
        kept, hidden = _judged(row, bool(of_use)) if index in judged else (UNASKED, UNASKED)
        yield {
            "table": row["table"], "f": row["f"], **{name: row[name] for name in CELL}, "access": row["access"],
            "public": row["rows_public"] > 0, "defence": row["defence"], "chosen": _made_by(row) in picked, "kept": kept, "hidden": hidden,
            "constant": row["constant"], **{name: row[name] for name in (*SHOWN, *ALL)},
        }  # fmt: skip


def _made_by(row: dict[str, Any]) -> tuple:
    """Return for which F and worlds a row is, and what made its models: a defence's id differs from one config to the next."""
    return (*(row[name] for name in ("f", *CELL, "kind")), canonical(json.loads(row["settings"])))


def _judged(row: dict[str, Any], of_use: bool) -> tuple[str, str]:
    if not of_use:
        return "no", "no"
    low, high = row["accuracy_vs_none_low"], row["accuracy_vs_none_high"]
    kept = "yes" if low >= -POINT else "no" if high < -POINT else "cannot tell"
    if row["certified_advantage"] <= SMALL:
        return kept, "yes"
    least, most = (row[name] for name in ALL)
    apart = row["informed_advantage_low"] > 0 or row["informed_advantage_high"] < 0
    return kept, "no" if apart else "yes" if least >= -EXCLUDED and most <= EXCLUDED else "cannot tell"


KINDS = (
    "chosen, after training",
    "chosen, training again",
    "others, after training",
    "others, training again",
    "on public rows",
)


def kind_of(row: dict[str, Any]) -> str:
    """Return as what a row is counted."""
    if row["public"]:
        return KINDS[4]
    return KINDS[2 * (not row["chosen"]) + (row["access"] == "training")]


def tell(found: pd.DataFrame) -> list[str]:
    """Return in a line for each F and pair of worlds which defences did both, on how many of the tables that say anything: those that the search
    chose for it, then the others that were run."""
    lines = []
    for (f, *pair), part in found.groupby(["f", *CELL], sort=True):
        rows = [row for row in part.to_dict("records") if row["kept"] != UNASKED]
        tables = len({row["table"] for row in rows})
        clauses = []
        for kind in KINDS:
            mine = [row for row in rows if kind_of(row) == kind]
            each = {
                name: sum(row["kept"] == row["hidden"] == "yes" for row in mine if row["defence"] == name)
                for name in dict.fromkeys(row["defence"] for row in mine)
            }
            if each:
                clauses.append(f"{kind}: {', '.join(f'{name} on {many}' for name, many in each.items())}")
        left = sorted(set(part["table"]) - {row["table"] for row in rows})
        without = (
            f" ({', '.join(left)} says nothing: most undefended models give every record one label)" if left else ""
        )
        lines.append(
            f"F 1 : {f}, {pair[0]} {pair[1]:g} against {pair[2]:g}, of {tables} {'table' if tables == 1 else 'tables'}{without} the accuracy is kept and the "
            f"world hidden by: {'; '.join(clauses)}"
        )
    judged = found[found["kept"] != UNASKED]
    if len(judged):
        cases = len(judged[["table", "f", *CELL]].drop_duplicates())
        both = ((judged["kept"] == "yes") & (judged["hidden"] == "yes")).groupby(judged["defence"]).sum() == cases
        public = set(judged.loc[judged["public"], "defence"])
        named = [[str(name) for name, so in both.items() if so and (name in public) is mine] for mine in (False, True)]
        lines.append(
            f"In all {cases} cases both hold under: {', '.join(named[0]) or 'none'} of those without public rows, {', '.join(named[1]) or 'none'} of "
            f"those with them"
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
        chosen = folder / "frontier-search.csv"
        if not chosen.exists():
            raise PopleakError(f"{chosen}: no such file: run `choose` first, which writes it")
        found = pd.DataFrame(outcomes(table, pd.read_csv(chosen)))
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
