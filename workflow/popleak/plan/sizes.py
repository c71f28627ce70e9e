"""A task's sizes before any job: `rows: auto` chosen, and refused what its pools or a model's own rows cannot give.

Counts come from the dataset's card or, for a user's own table, from its columns of label and attribute. What is certain to
fail is refused here, with the task's id; the stage `draw` sees to the rest.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolve import ResolvedTask, SettledTask
from ..core import needs, plugins
from ..core.errors import PopleakError, refusal
from ..core.worlds import World, order
from ..datasets.base import Attribute, Cells
from . import cost, games

LARGE = 30_000_000
"""Bytes of an own table beyond which the plan counts its rows for `auto` alone: Snakemake parses the Snakefile in every
cluster job."""
CROWDED = 0.4
"""Share of a pool's rows of a group that draws may take without a word. Where the groups differ in nothing, accuracies have a standard
deviation of 3 to 5 points at a share of 0.1, 5 to 6 at 0.3, 7 to 10 at 0.5 and 10 to 13 at 0.95 (`benchmarks/placebo_coverage.py`): this lies
between those that are not far from a sample's own and those that are."""
RISK = 0.01
"""Models that may be expected to be left with too few rows to rehearse; the job that holds such a model ends with an error."""
SLACK = 0.05
"""How far below a pool's share its rows may fall where counts are not exact: a share of them, and ten rows."""


def settled(experiment: Experiment, task: ResolvedTask) -> tuple[SettledTask, Cells | None]:
    """Return the task with its `rows` and `query_rows` as numbers, and its counts where they are known before it is loaded.

    Where a raw file is absent, which the plan says itself, nothing is refused. Raises PopleakError naming the task.
    """
    where = f"config: tasks: {task.id}"
    auto = _auto(task)
    plugin, options, files = raw_files(experiment, task)
    absent = [file for file, path in files.items() if path is None]
    try:
        if not absent:
            problems = plugin.glance(files=files, options=options)
            if problems:
                raise refusal(options.path, problems)
        found = counted(experiment, task)
    except PopleakError as error:
        raise PopleakError(f"{where}: {error}") from error
    if auto and not absent and found is None:
        raise PopleakError(f"{where}: rows: auto needs a dataset that states its rows: give a number")
    known = provisional(task) if found is None else sized(experiment, task, found)
    problems = shortages(experiment, known, found) if found is not None else []
    if problems := problems or unrehearsed(experiment, known, found):
        raise refusal(where, problems)
    return known, found


def _auto(task: ResolvedTask) -> bool:
    return "auto" in (task.rows, task.query_rows)


def counted(experiment: Experiment, task: ResolvedTask) -> Cells | None:
    """Return how many records a task has, as far as a plan may ask: of a large own table only for `rows: auto`; None where it is not known."""
    plugin, options, files = raw_files(experiment, task)
    here = {file: path for file, path in files.items() if path is not None}
    large = any(Path(path).stat().st_size > LARGE for path in here.values())
    if large and not _auto(task):
        return None
    return cells_of(task, plugin, options, here if len(here) == len(files) else {})


def provisional(task: ResolvedTask) -> SettledTask:
    """Return the task with usual numbers for `auto`, as long as nothing is counted."""
    return _settle(task, needs.USUAL_ROWS, needs.USUAL_QUERY_ROWS)


def _settle(task: ResolvedTask, rows: int, query_rows: int) -> SettledTask:
    """Return the task with these numbers for `auto`."""
    usual = {"rows": rows, "query_rows": query_rows}
    chosen = {key: value for key, value in usual.items() if getattr(task, key) == "auto"}
    return SettledTask.model_construct(**{**dict(task), **chosen})


def raw_files(experiment: Experiment, task: ResolvedTask) -> tuple[Any, Any, dict[str, Path | None]]:
    """Return the dataset's plugin, its options, and its raw files by name, None where one is not here."""
    from ..datasets._fetch import locate

    plugin, folder = plugins.load("datasets", task.dataset), config.data_dir(experiment)
    given = plugin.Settings.model_validate(task.options)
    options, _ = plugin.settle(given, lambda source: locate(task.dataset, source, folder) is not None)
    return plugin, options, {one.file: locate(task.dataset, one, folder) for one in plugin.sources(options)}


def cells_of(task: ResolvedTask, plugin: Any, options: Any, files: Mapping[str, Path]) -> Cells | None:
    """Return the counts of a task's records; of one file in one state they are counted once a process."""
    state = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files.values())
    if plugin.sources(options) and not files and plugin.card(options).rows is None:
        return None
    return _cells(plugin, options.model_dump_json(), tuple(files.items()), task.label, task.attribute, state)


@functools.lru_cache(maxsize=64)
def _cells(
    plugin: Any, options: str, files: tuple[tuple[str, Path], ...], label: str, attribute: str, state: tuple[Any, ...]
) -> Cells | None:
    chosen = plugin.Settings.model_validate_json(options)
    found: Cells | None = plugin.cells(files=dict(files), label=label, attribute=attribute, options=chosen)
    return found


def draws_of(task: ResolvedTask, cells: Cells) -> needs.Draws:
    """Return what decides how many rows the task's draws take."""
    played = games.games_of(task)
    laws = {world.law for game in played for world in game.laws}
    turned: set[tuple[World, World]] = set()
    if task.complemented:
        turned = {(own.law, other.law) for own, other in games.turned(played)}
    laws |= {other for _, other in turned}  # of many worlds the complement has the mirrored ratio
    return needs.Draws(
        sorted(laws, key=order),
        task.ratio_mode,
        _rate(cells),
        max(task.poison.shares),
        (task.poison.label, task.poison.group),
        sorted(turned, key=lambda one: (order(one[0]), order(one[1]))),
        task.publishing,
    )


def _rate(cells: Cells) -> float:
    """Return the share of positives."""
    return sum(cells.counts[1]) / max(sum(map(sum, cells.counts)), 1)


def shares_of(experiment: Experiment, task: ResolvedTask) -> dict[str, float]:
    """Return the share of the records in each pool."""
    population = experiment.population
    public = population.public_share if task.public_pool else 0.0
    rest = 1 - population.victim_share - population.adversary_share - public
    return {
        "victim": population.victim_share, "adversary": population.adversary_share, "query": rest, "public": public
    }  # fmt: skip


def pool_rows(experiment: Experiment, task: ResolvedTask, cells: Cells | None) -> int:
    """Return about how many rows a query pool has: what the stage `measure` scores costs that much."""
    records = cost.RECORDS if cells is None else sum(map(sum, cells.counts))
    return round(shares_of(experiment, task)["query"] * records)


def largest(experiment: Experiment, task: ResolvedTask, draws: needs.Draws, cells: Cells) -> tuple[int, int]:
    """Return the most rows a model, and the most query points of a group, that every split's pools can give."""
    few = needs.held(cells.counts, shares_of(experiment, task), fewest=True)
    rows, query_rows = needs.largest_rows(draws, few), needs.largest_query_rows(few)
    return (rows, query_rows) if cells.exact else (_surely(rows), _surely(query_rows))


def _surely(rows: int) -> int:
    """Return how many of about `rows` rows there are at least."""
    return max(int(rows * (1 - SLACK)) - 10, 0)


def sized(experiment: Experiment, task: ResolvedTask, cells: Cells) -> SettledTask:
    """Return the task with `auto` replaced: half of the most rows of one draw, so that two models' draws differ and, rounding
    aside, a complement finds room beside each; and no more than CROWDED of a pool."""
    draws = draws_of(task, cells)
    rows, query_rows = largest(experiment, task, draws, cells)
    single, _ = largest(experiment, task, draws._replace(directions=()), cells)
    # units go to one pool together, so a pool may hold far less than its share
    usual = {
        "rows": min(needs.USUAL_ROWS, needs.rounded(min(rows, single / 2))),
        "query_rows": min(
            needs.USUAL_QUERY_ROWS, needs.rounded(query_rows / 2 if _shared(task, cells) else query_rows)
        ),
    }
    chosen = {key: value for key, value in usual.items() if getattr(task, key) == "auto"}
    for key, value in chosen.items():
        if value < needs.LEAST:
            raise PopleakError(
                f"config: tasks: {task.id}: {key}: auto: a group has {min(map(sum, zip(*cells.counts, strict=True)))} rows, too few to "
                f"divide into pools: use a larger table or other groups"
            )
    found = _settle(task, usual["rows"], usual["query_rows"])
    while task.rows == "auto" and found.rows > needs.LEAST and (most := _most_crowded(experiment, found, cells)):
        found = found.model_copy(update={"rows": min(most.safe, found.rows - 1)})
    return found


def _shared(task: ResolvedTask, cells: Cells) -> bool:
    """Return whether records of a user's own table share units of unknown sizes."""
    return not cells.exact and bool(plugins.load("datasets", task.dataset).own)


def shortages(experiment: Experiment, task: SettledTask, cells: Cells) -> list[str]:
    """Return a line for each of `rows`, `query_rows` and the poison that no split's pools can give."""
    shares = shares_of(experiment, task)
    if _shared(task, cells):  # one pool may hold nearly all: refused is what no cut can give
        shares = dict.fromkeys(shares, 1.0)
    many = needs.held(cells.counts, shares, fewest=False)
    if not cells.exact:
        many = {key: int(rows * (1 + SLACK)) + 10 for key, rows in many.items()}
    draws = draws_of(task, cells)
    return short(task, draws, [many], largest(experiment, task, draws, cells))


class _Crowd(NamedTuple):
    """Where a task's draws take the largest share of a pool: the share, of whom, the rows that are there, the world, and the `rows` at which it
    would be CROWDED."""

    share: float
    need: needs.Need
    there: float
    world: World
    safe: int


def _most_crowded(experiment: Experiment, task: SettledTask, cells: Cells) -> _Crowd | None:
    """Return where draws take the largest share of a pool; None if that is not more than CROWDED."""
    found = []
    draws, shares = draws_of(task, cells), shares_of(experiment, task)
    for world in draws.worlds:
        for stratum, rows in needs.drawn(world, task.rows, draws.mode, draws.label_rate).items():
            for pool in ("victim", "adversary"):
                need = needs.Need("rows", pool, stratum, rows)
                there = shares[pool] * sum(
                    row[a] for y, row in enumerate(cells.counts) for a in (0, 1) if need.covers(y, a)
                )
                if there:
                    found.append((rows / there, -world.ratio, need, there, world))
    if not found or max(found, key=lambda one: one[0])[0] <= CROWDED:
        return None
    share, _, need, there, world = max(found, key=lambda one: one[:2])
    return _Crowd(share, need, there, world, max(needs.rounded(task.rows * CROWDED / share), needs.LEAST))


def crowded(experiment: Experiment, task: SettledTask, cells: Cells | None) -> str:
    """Return where the draws of a settled task take more than CROWDED of a pool, the most of them, and what to do; "" where none does, or
    the records are not counted.

    The larger that share, the farther the pools' own accidents carry an accuracy from 50 %.
    """
    most = None if cells is None else _most_crowded(experiment, task, cells)
    if most is None:
        return ""
    share, need, there, world, safe = most
    what = _rows_of(task, need).removeprefix(" of ")
    judge = f"its {task.placebo} placebos" if task.placebo else f"placebos (`placebo: {config.PLACEBOS}`)"
    return (
        f"where P(a = 1) is {world} a draw takes {100 * share:.0f} % of the rows of {what} in the {need.pool} pool ({need.rows} of about "
        f"{there:.0f}). Above {100 * CROWDED:.0f} % an accuracy depends much on this very table: lower `rows` to "
        f"{safe}, or compare it with {judge}"
    )


def short(task: SettledTask, draws: needs.Draws, pools: Sequence[needs.Pools], most: tuple[int, int]) -> list[str]:
    """Return a line for each key that asks for more rows than one of the splits' pools holds; most: what all of them give."""
    advice = {"rows": f"lower it to {most[0]} at most", "query_rows": f"lower it to {most[1]} at most"}
    found: dict[str, str] = {}
    for need in (*draws.needs(task.rows), *needs.asked(task.query_rows)):
        there = min(needs.room(need, one) for one in pools)
        if need.rows > there and need.key not in found:
            found[need.key] = (
                f"{need.key}: {need.rows} rows{_rows_of(task, need)} are asked for{need.by}, and the {need.pool} pool holds {there}: "
                f"{advice.get(need.key, 'lower them')}, or give the pool a larger share (population)"
            )
    return list(found.values())


def _rows_of(task: ResolvedTask, need: needs.Need) -> str:
    """Return of whom a need's rows are, as it stands behind "rows"; "" where anybody's will do."""
    label, group = need.stratum
    if group is None:
        return ""
    return f" of group {group_names(task)[group]}" + ("" if label is None else f" with label {label}")


def group_names(task: ResolvedTask) -> tuple[str, str]:
    return _attribute(task)[1].groups


def attribute_name(task: ResolvedTask) -> str:
    """Return the name of the task's attribute, for a table of your own its column."""
    return _attribute(task)[0]


def _attribute(task: ResolvedTask) -> tuple[str, Attribute]:
    plugin = plugins.load("datasets", task.dataset)
    found: tuple[str, Attribute] = plugin.attribute(task.attribute, plugin.Settings.model_validate(task.options))
    return found


def unrehearsed(experiment: Experiment, task: SettledTask, cells: Cells | None) -> list[str]:
    """Return a line for each defence whose mixture cannot be made: it rehearses more of a model's own rows than validation leaves,
    or its strata do not come out in whole rows. cells: None where they are not counted; groups alone are then looked at."""
    held = round(experiment.training.validation * task.rows)
    mode, rate = (task.ratio_mode, _rate(cells)) if cells is not None else ("natural", 0.0)
    mixings = [
        needs.Mixing.of(
            (own, other), task.rows, mode, rate, needs.half_up(own.poison * task.rows), (1 - task.poison.label, task.poison.group)
        )
        for own, other in games.turned(games.games_of(task))
    ]  # fmt: skip
    population = experiment.population
    models = population.victims + population.splits * population.shadows

    def failing(share: float) -> float:
        """Models expected to be left with too few rows of a stratum."""
        return sum(models * _failing(mixing, share, held) for mixing in mixings)

    found = []
    for defence in task.defences:
        share = defence.settings.get("rehearsal", 0.0)
        try:
            if not share or failing(share) <= RISK:
                continue
            fits = next((one for one in _below(share) if failing(one) <= RISK), None)
        except PopleakError as error:
            found.append(f"defence {defence.id!r}: {error}")
            continue
        lower = (
            "lower training.validation or raise `rows`"
            if fits is None
            else f"lower it to {fits:g} or less, or lower training.validation"
        )
        found.append(
            f"defence {defence.id!r}: rehearsal: a share of {share:g} of a model's {task.rows} rows may need more rows of a group, or of a label in it, "
            f"than are left to some models after training.validation has held out {held}: {lower}"
        )
    return found


def _failing(mixing: needs.Mixing, rehearsal: float, held: int) -> float:
    """Return the probability that S_0 has too few rows of a stratum for a share, after `held` of its rows were held out at random: at most the
    sum over strata. Raises PopleakError as `Mixing.parts` does."""
    taken, own = mixing.parts(rehearsal)[0], mixing.own
    return sum(too_few(own[key], mixing.rows, held, many) for key, many in taken.items())


def too_few(own: int, rows: int, held: int, wanted: int) -> float:
    """Return the probability that fewer than `wanted` of a draw's `own` rows of a stratum are left when `held` of its `rows` rows are held out at
    random: the upper tail of the hypergeometric law. Not scipy's, which the Snakefile would load in every cluster job."""
    spread = math.sqrt(held * own / rows * (1 - own / rows))
    if own - held * own / rows - 20 * spread > wanted:
        return 0.0

    def choices(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    most = min(own, held)
    lost = range(max(own - wanted + 1, held - (rows - own), 0), most + 1)
    logs = (choices(own, k) + choices(rows - own, held - k) - choices(rows, held) for k in lost)
    return min(sum(map(math.exp, logs)), 1.0)


def _below(share: float) -> Iterator[float]:
    """Yield the hundredths below a share, the largest first."""
    yield from (one / 100 for one in range(math.ceil(100 * share) - 1, 0, -1))
