"""The lights of an audit: for each task, pair of worlds and kind of access what its best adversary reads, beside its placebos.

The adversary of an access is chosen among all attacks that see no more, on other pool splits than it is judged on, by the code of the table
`leakage`; so the row of `scores` repeats that table's `best`. Whoever holds the model itself can ask it, and has the attacks on its answers besides its
own. Placebos are judged by the same rule, from their own verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core import plugins
from ..core.protocols import PURE
from ..figures import _select as select
from ..measures import intervals, leakage
from ..measures.intervals import Estimate
from ..measures.learnt import Reference, learnt
from ..measures.lights import ALIKE, DULL, LEAK, Light, light
from ..measures.verdicts import MOSTLY, Found

if TYPE_CHECKING:
    import pandas as pd

    from ..tables.leakage import Cell

UNDEFENDED = "none"
OWN = 0.025
"""A share that is nearer to a table's own than this is called its own."""


class Lit(NamedTuple):
    """One light and what it rests on.

    access: name of the plugin; accuracy: share of models named rightly; found: the advantage, its p value corrected for all lights; placebos:
    advantages, one for each permutation of the group column; attacks: candidates; most: the one that names most of these models, which that choice flatters; implied: the access that sees less
    and for which a leak is shown, where that alone makes the light red; useful, auc: means of the undefended models at their own task; constant: share of
    the models under the defence that give all records one label; reference: what regressions reach there, None where it is not known.
    """

    task: str
    model: str
    pair: select.Pair
    access: str
    accuracy: Estimate
    found: Found
    placebos: tuple[Estimate, ...]
    attacks: tuple[str, ...]
    most: str
    light: Light
    implied: str = ""
    useful: float = np.nan
    auc: float = np.nan
    constant: float = np.nan
    reference: Reference | None = None

    @property
    def key(self) -> str:
        """Name of the light, the same in each run of a config."""
        return (
            f"{self.task}/{self.model}/{self.pair.protocol}-{self.pair.ratio_0:g}-{self.pair.ratio_1:g}/{self.access}"
        )


def lights(
    scores: pd.DataFrame,
    placebos: pd.DataFrame,
    models: pd.DataFrame,
    *,
    defence: str,
    margin: float,
    references: Mapping[str, Sequence[str]],
    rows: Mapping[str, int],
    shares: Mapping[str, float],
    taught: Mapping[tuple[str, float, float], Reference],
) -> list[Lit]:
    """Return the lights of the models under a defence, task by task, in the order of `release_first` and the least access first.

    scores, models: public tables; placebos: verdicts on placebos' victims, as in `scores`, with the column `permutation`; references: by task, attacks
    that are lines to compare with; rows: of each model, by task; shares: of group 1 in the tables of tasks, where they are known;
    taught: what regressions reach, by task and pair of worlds.
    """
    mine = list(_judged(scores, defence, references))
    mixed = list(_judged(placebos, UNDEFENDED, references)) if len(placebos) else []
    corrected = intervals.holm(np.array([one.advantage.p for one in mine]))
    found = []
    for one, p in zip(mine, corrected, strict=True):
        control = tuple(other.advantage for other in mixed if other.where == one.where)
        shape = {"models": len(one.cell.split), "splits": int(np.unique(one.cell.split).size)}
        known = Found(*one.advantage._replace(p=float(p)), **shape, diverged=_diverged(models, one, defence))
        base, reference = _victims(models, one, UNDEFENDED), taught.get((one.task, one.pair.ratio_0, one.pair.ratio_1))
        useful, auc = (float(base[name].mean()) for name in ("accuracy", "auc"))
        constant = float((_victims(models, one, defence)["status"] == "constant").mean())
        dull = dull_of(one.access, useful, auc, constant, reference)
        found.append(
            Lit(
                *one.where[:2], one.pair, one.access, one.accuracy, known, control, one.attacks, one.most,
                light(
                    known, control, margin=margin, rows=rows.get(one.task), dull=dull
                ),
                useful=useful, auc=auc, constant=constant, reference=reference,
            )
        )  # fmt: skip
    return _implied(
        sorted(
            found,
            key=lambda lit: (
                lit.task, lit.model, release_first(lit.pair, shares.get(lit.task)), plugins.load("access", lit.access).place,
            ),
        )
    )  # fmt: skip


def is_own(pair: select.Pair, share: float | None) -> bool:
    """Return whether a question holds a table's own share of group 1, to OWN, against something else."""
    return (
        share is not None and pair.protocol != PURE and min(abs(pair.ratio_0 - share), abs(pair.ratio_1 - share)) <= OWN
    )


def release_first(pair: select.Pair, share: float | None) -> tuple:
    """Return what questions are sorted by: a table's own share first, as the model to be released holds it; then other mixtures, the extreme last."""
    return not is_own(pair, share), pair.protocol == PURE, pair.rank


def _implied(lits: Sequence[Lit]) -> list[Lit]:
    """Return the lights, in their order, red too where whoever sees less is shown a leak: who sees more of a black box, or holds it, can do the same."""
    found: list[Lit] = []
    for lit in lits:
        own = plugins.load("access", lit.access)
        less = [
            one.access for one in found if one[:3] == lit[:3] and one.light.word == LEAK and _holds(own, one.access)
        ]
        if less and lit.light.word != LEAK:
            light = lit.light._replace(word=LEAK, reason="", shown=True, splits=np.nan)
            lit = lit._replace(light=light, implied=less[0])
        found.append(lit)
    return found


def _holds(own: Any, other: str) -> bool:
    """Return whether whoever has an access can do what whoever has another one can."""
    return other in own.holds or (own.black_box and plugins.load("access", other).black_box)


class _Judged(NamedTuple):
    """What the adversary of one access reads in one game."""

    task: str
    model: str
    pair: select.Pair
    access: str
    cell: Cell
    attacks: tuple[str, ...]
    most: str
    inflation: float

    @property
    def where(self) -> tuple[str, str, select.Pair, str]:
        return self.task, self.model, self.pair, self.access

    @property
    def accuracy(self) -> Estimate:
        return leakage.accuracy(self.cell.correct, self.cell.split, inflation=self.inflation)

    @property
    def advantage(self) -> Estimate:
        return leakage.advantage(self.cell.correct, self.cell.world, self.cell.split, inflation=self.inflation)


def _judged(scores: pd.DataFrame, defence: str, references: Mapping[str, Sequence[str]]) -> Iterator[_Judged]:
    """Yield what the adversary of each access reads in each game of worlds that differ; of placebos, one after the other."""
    rows = select.of(scores, defence=defence)
    if rows.empty:
        return
    # whoever may repeat queries does: of those that are asked, the most often
    rows = rows[rows["repeats"] == rows["repeats"].max()]
    plain = rows[(rows["poison"].fillna(0.0) == 0) & (rows["shadow_model"] == rows["model"])]
    rows = select.attacks(select.informed(select.differ(plain)))
    keys = [*select.FACET, *select.PAIR, *(["permutation"] if "permutation" in rows else [])]
    for key, game in rows.groupby(keys, sort=False):
        usable = [
            name not in references.get(key[0], ()) and not select.transductive(name) for name in game["adversary"]
        ]
        game = game[np.array(usable, dtype=bool)]
        for access in dict.fromkeys(game["access"]):
            part = game[game["access"].isin(_seeing(access, game["access"].unique()))]
            yield _best(key[0], key[1], select.Pair(str(key[2]), float(key[3]), float(key[4])), access, part)


def _seeing(access: str, known: Sequence[str]) -> list[str]:
    """Return the accesses whose attacks an adversary with this one can mount: of those that see answers alone, all that reveal no more; whoever holds
    the model can do what all of them can."""
    own = plugins.load("access", access)
    others = [plugins.load("access", name) for name in known]
    if own.black_box:
        return [one.name for one in others if one.black_box and one.place <= own.place]
    return [access, *(one.name for one in others if one.name in own.holds)]


def _best(task: str, model: str, pair: select.Pair, access: str, part: pd.DataFrame) -> _Judged:
    from ..steps.tables._adversaries import Adversaries
    from ..tables.leakage import BEST, games

    ((_, game, cells),) = games(part, Adversaries(table="leakage", references={}, white_box={}))
    named = game.groupby("adversary", sort=True)["correct"].mean()
    attacks = tuple(named.index)
    # an adversary that nobody chose needs no allowance for the choice
    chosen = [cell for key, cell in cells.items() if (key[1] == BEST) == (len(attacks) > 1)]
    inflation = leakage.CHOSEN if len(attacks) > 1 else 1.0
    return _Judged(task, model, pair, access, chosen[0], attacks, str(named.idxmax()), inflation)


def dull_of(access: str, useful: float, auc: float, constant: float, reference: Reference | None) -> str:
    """Return why models with these means are no sign of safety for an access; empty if they may be one. constant: of the models that are judged; the
    others: of undefended ones."""
    # hard labels that are all alike hide everything, whatever the scores behind them give away
    if plugins.load("access", access).votes and constant > MOSTLY:
        return ALIKE
    return "" if reference is None or learnt(useful, auc, reference) else DULL


def _diverged(models: pd.DataFrame, one: _Judged, defence: str) -> int:
    return int((_victims(models, one, defence)["status"] == "diverged").sum())


def _victims(models: pd.DataFrame, one: _Judged, defence: str) -> pd.DataFrame:
    rows = select.of(select.plain(models), task=one.task, model=one.model, role="victim", defence=defence)
    return select.of_pair(rows, one.pair)
