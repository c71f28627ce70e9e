"""A task's sizes, before any job: chooses `rows: auto`, and refuses sizes that the pools or a model's own rows cannot
provide.

Counts come from the dataset's card or, for a user's own table, from its columns of label and attribute. Sizes that
are certain to fail are refused here, with the task's id. The stage `draw` checks the rest.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolved import ResolvedChoice, ResolvedTask, SettledTask
from ..core import needs, plugins
from ..core.errors import PopleakError, refusal
from ..core.worlds import World, order
from ..datasets.base import Attribute, Cells
from . import cost, games, releasing
from .rawfiles import locate

LARGE = 30_000_000
"""Size in bytes above which the plan counts the rows of a user's own table only for `auto`, since Snakemake parses
the Snakefile in every cluster job."""
CROWDED = 0.4
"""Share of a pool's rows of a group that draws may take without a warning. If the groups do not differ at all,
accuracies have a standard deviation of 3 to 5 points at a share of 0.1, 5 to 6 at 0.3, 7 to 10 at 0.5 and 10 to 13 at
0.95 (`benchmarks/placebo_coverage.py`). This value separates deviations that are close to sampling noise from those
that are far above it."""
RISK = 0.01
"""Largest accepted expected number of models with too few rows to rehearse. A job with such a model ends with an
error."""
SLACK = 0.05
"""How far a pool may fall below its share of the rows if counts are not exact: a share of them, and ten rows."""


def settled(experiment: Experiment, task: ResolvedTask) -> tuple[SettledTask, Cells | None]:
    """Return the task with its `rows` and `query_rows` as numbers, and its counts if they are known before it is
    loaded.

    If a raw file is missing, which the plan reports elsewhere, nothing is refused. Raises PopleakError that names the
    task.
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
        cells = counted(experiment, task)
    except PopleakError as error:
        raise PopleakError(f"{where}: {error}") from error
    if auto and not absent and cells is None:
        raise PopleakError(f"{where}: rows: auto needs a dataset that states its rows: give a number")
    known = provisional(task) if cells is None else sized(task, cells)
    problems = shortages(known, cells) if cells is not None else []
    if problems := problems or unrehearsed(known, cells):
        raise refusal(where, problems)
    return known, cells


def _auto(task: ResolvedTask) -> bool:
    return "auto" in (task.rows, task.query_rows)


def counted(experiment: Experiment, task: ResolvedTask) -> Cells | None:
    """Return the number of records of a task, or None if it is not known. A large table of a user's own is counted
    only for `rows: auto`."""
    plugin, options, files = raw_files(experiment, task)
    here = {file: path for file, path in files.items() if path is not None}
    large = plugin.own and any(Path(path).stat().st_size > LARGE for path in here.values())
    if large and not _auto(task):
        return None
    return cells_of(task, plugin, options, here if len(here) == len(files) else {})


def provisional(task: ResolvedTask) -> SettledTask:
    """Return the task with default numbers for `auto`, if records cannot be counted."""
    return _settle(task, needs.USUAL_ROWS, needs.USUAL_QUERY_ROWS)


def _settle(task: ResolvedTask, rows: int, query_rows: int) -> SettledTask:
    """Return the task with these numbers for `auto`."""
    usual = {"rows": rows, "query_rows": query_rows}
    chosen = {key: value for key, value in usual.items() if getattr(task, key) == "auto"}
    return SettledTask.model_construct(**{**dict(task), **chosen})


def raw_files(experiment: Experiment, task: ResolvedTask) -> tuple[Any, Any, dict[str, Path | None]]:
    """Return the dataset's plugin, its options, and its raw files by name; None for a missing file."""
    plugin, folder = plugins.load("datasets", task.dataset), config.data_dir(experiment)
    given = plugin.Settings.model_validate(task.options)
    options, _ = plugin.settle(given, lambda source: locate(task.dataset, source, folder) is not None)
    return plugin, options, {one.file: locate(task.dataset, one, folder) for one in plugin.sources(options)}


def cells_of(task: ResolvedTask, plugin: Any, options: Any, files: Mapping[str, Path]) -> Cells | None:
    """Return the counts of a task's records. A file is counted once in a process unless it changes."""
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
    """Return what determines how many rows the task's draws take."""
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
        "adversary" if task.population.sub_pools == 1 else needs.SUB_POOL,
        task.population.owners(),
    )


def _rate(cells: Cells) -> float:
    """Return the share of positives."""
    return sum(cells.counts[1]) / max(sum(map(sum, cells.counts)), 1)


def shares_of(task: ResolvedTask) -> dict[str, float]:
    """Return the share of the records in each pool."""
    population = task.population
    public = population.public_share if task.public_pool else 0.0
    rest = 1 - population.victim_share - population.adversary_share - public
    shares = {
        "victim": population.victim_share, "adversary": population.adversary_share, "query": rest, "public": public
    }  # fmt: skip
    if population.sub_pools > 1:
        shares[needs.SUB_POOL] = population.adversary_share / population.sub_pools
    return shares


def pool_rows(task: ResolvedTask, cells: Cells | None) -> int:
    """Return the approximate number of rows of a query pool, all of which the stage `measure` scores."""
    records = cost.RECORDS if cells is None else sum(map(sum, cells.counts))
    return round(shares_of(task)["query"] * records)


def largest(task: ResolvedTask, draws: needs.Draws, cells: Cells) -> tuple[int, int]:
    """Return the most rows for each model, and the most query points of each group, that every split's pools can
    provide."""
    few = needs.held(cells.counts, shares_of(task), fewest=True)
    rows, query_rows = needs.largest_rows(draws, few), needs.largest_query_rows(few)
    return (rows, query_rows) if cells.exact else (_surely(rows), _surely(query_rows))


def _surely(rows: int) -> int:
    """Return a lower limit for a number of rows that is about `rows`."""
    return max(int(rows * (1 - SLACK)) - 10, 0)


def sized(task: ResolvedTask, cells: Cells) -> SettledTask:
    """Return the task with `auto` replaced: half of the most rows of one draw, so that two models' draws differ and, rounding
    aside, a complement finds room beside each; and no more than CROWDED of a pool."""
    draws = draws_of(task, cells)
    rows, query_rows = largest(task, draws, cells)
    single, _ = largest(task, draws._replace(directions=()), cells)
    # units go to one pool together, so a pool may hold far less than its share
    if task.placebo:
        # with its groups permuted the cells of a table are others, and its pools may hold a row less of each label
        query_rows -= len(cells.counts)
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
    while task.rows == "auto" and found.rows > needs.LEAST and (most := _most_crowded(found, cells)):
        found = found.model_copy(update={"rows": min(most.safe, found.rows - 1)})
    return found


def _shared(task: ResolvedTask, cells: Cells) -> bool:
    """Return whether records of a user's own table share units of unknown sizes."""
    return not cells.exact and bool(plugins.load("datasets", task.dataset).own)


def shortages(task: SettledTask, cells: Cells) -> list[str]:
    """Return a line for each of `rows`, `query_rows` and the poison that the pools cannot provide."""
    shares = shares_of(task)
    if _shared(task, cells):  # one pool may hold nearly all rows: refuse only what no cut can provide
        shares = dict.fromkeys(shares, 1.0)
    many = needs.held(cells.counts, shares, fewest=False)
    if not cells.exact:
        many = {key: int(rows * (1 + SLACK)) + 10 for key, rows in many.items()}
    draws = draws_of(task, cells)
    return [
        *short(task, draws, [many], largest(task, draws, cells)),
        *releasing.exhausted(task, many, draws.label_rate),
        *releasing.rare(task, draws.label_rate, RISK),
    ]


class _Crowd(NamedTuple):
    """Where a task's draws take the largest share of a pool: the share, of whom, the rows that are available, the world, and
    the `rows` at which it would be CROWDED."""

    share: float
    need: needs.Need
    available: float
    world: World
    safe: int


def _most_crowded(task: SettledTask, cells: Cells) -> _Crowd | None:
    """Return where draws take the largest share of a pool; None if that is not more than CROWDED."""
    candidates = []
    draws, shares = draws_of(task, cells), shares_of(task)
    for world in draws.worlds:
        for stratum, rows in needs.drawn(world, task.rows, draws.mode, draws.label_rate).items():
            for pool in ("victim", "adversary"):
                need = needs.Need("rows", pool, stratum, rows)
                available = shares[pool] * sum(
                    row[a] for y, row in enumerate(cells.counts) for a in (0, 1) if need.covers(y, a)
                )
                if available:
                    candidates.append((rows / available, -world.ratio, need, available, world))
    if not candidates or max(candidates, key=lambda one: one[0])[0] <= CROWDED:
        return None
    share, _, need, available, world = max(candidates, key=lambda one: one[:2])
    return _Crowd(share, need, available, world, max(needs.rounded(task.rows * CROWDED / share), needs.LEAST))


def crowded(task: SettledTask, cells: Cells | None) -> str:
    """Return a line on the largest share of a pool above CROWDED that a settled task's draws take, with the remedy;
    "" if there is none, or if the records are not counted.

    The larger that share, the further chance differences between the pools move an accuracy away from 50 %.
    """
    most = None if cells is None else _most_crowded(task, cells)
    if most is None:
        return ""
    share, need, available, world, safe = most
    what = _rows_of(task, need).removeprefix(" of ")
    judge = f"its {task.placebo} placebos" if task.placebo else f"placebos (`placebo: {config.PLACEBOS}`)"
    return (
        f"if P(a = 1) is {world}, a draw takes {100 * share:.0f} % of the rows of {what} in the {need.pool} pool ({need.rows} of about "
        f"{available:.0f}). Above {100 * CROWDED:.0f} % an accuracy depends strongly on this particular table: lower `rows` to "
        f"{safe}, or compare it with {judge}"
    )


def thin(task: SettledTask, cells: Cells | None) -> str:
    """Return a line on models of fewer than half of the rows that `auto` would give them, of which an audit finds less; "" for others."""
    usual = task.rows if cells is None else sized(task.model_copy(update={"rows": "auto"}), cells).rows
    if 2 * task.rows >= usual:
        return ""
    return (
        f"rows: {task.rows} is less than half of the {usual} that `rows: auto` gives: smaller models have learnt less that they could give away, so that "
        "lights are calmer than those of larger ones: take `auto`"
    )


def short(task: SettledTask, draws: needs.Draws, pools: Sequence[needs.Pools], most: tuple[int, int]) -> list[str]:
    """Return a line for each key that needs more rows than a pool of some split holds. most: what all pools can
    provide."""
    advice = {"rows": f"lower it to {most[0]} at most", "query_rows": f"lower it to {most[1]} at most"}
    found: dict[str, str] = {}
    for need in (*draws.needs(task.rows), *needs.asked(task.query_rows)):
        available = min(needs.room(need, one) for one in pools)
        if need.rows > available and need.key not in found:
            found[need.key] = (
                f"{need.key}: {need.rows} rows{_rows_of(task, need)} are asked for{need.by}, and the {need.pool} pool holds {available}: "
                f"{advice.get(need.key, 'lower them')}, or give the pool a larger share (population)"
            )
    return list(found.values())


def _rows_of(task: ResolvedTask, need: needs.Need) -> str:
    """Return the group and label of a need's rows in words, to follow "rows"; "" if any rows will do."""
    label, group = need.stratum
    if group is None:
        return ""
    return f" of group {group_names(task)[group]}" + ("" if label is None else f" with label {label}")


def group_names(task: ResolvedTask) -> tuple[str, str]:
    return _attribute(task)[1].groups


def attribute_name(task: ResolvedTask) -> str:
    """Return the name of the task's attribute; for a user's own table, the column."""
    return _attribute(task)[0]


def _attribute(task: ResolvedTask) -> tuple[str, Attribute]:
    plugin = plugins.load("datasets", task.dataset)
    found: tuple[str, Attribute] = plugin.attribute(task.attribute, plugin.Settings.model_validate(task.options))
    return found


def unrehearsed(task: SettledTask, cells: Cells | None) -> list[str]:
    """Return a line for each defence whose rows are impossible: it refuses them itself, it rehearses more of a model's own rows than
    validation leaves, or its strata are not whole numbers of rows. cells: None if they are not counted; then only
    groups are checked."""
    held = round(task.training.validation * task.rows)
    mode, rate = (task.ratio_mode, _rate(cells)) if cells is not None else ("natural", 0.0)
    mixings = [
        needs.Mixing.of(
            (own, other), task.rows, mode, rate, needs.half_up(own.poison * task.rows), (1 - task.poison.label, task.poison.group)
        )
        for own, other in games.turned(games.games_of(task))
    ]  # fmt: skip
    population = task.population
    models = population.victims + population.splits * population.shadows

    def failing(share: float) -> float:
        """Models expected to be left with too few rows of a stratum."""
        return sum(models * _failing(mixing, share, held) for mixing in mixings)

    found = []
    for defence in task.defences:
        if refused := _refused(defence, mixings):
            found.append(f"defence {defence.id!r}: {refused}")
            continue
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
    return found + releasing.impossible(task, rate)


def _refused(defence: ResolvedChoice, mixings: Sequence[needs.Mixing]) -> str | None:
    """Return why a defence cannot be applied to models of one of these directions, None if it can to all."""
    plugin = plugins.load("defences", defence.name)
    own = plugin.Settings.model_validate(defence.settings)
    return next((reason for mixing in mixings if (reason := plugin.refuses(mixing, own))), None)


def _failing(mixing: needs.Mixing, rehearsal: float, held: int) -> float:
    """Return the probability that S_0 has too few rows of a stratum for a share, after `held` of its rows were held out at random: at most the
    sum over strata. Raises PopleakError as `Mixing.parts` does."""
    taken, own = mixing.parts(rehearsal)[0], mixing.own
    return sum(too_few(own[key], mixing.rows, held, many) for key, many in taken.items())


def too_few(own: int, rows: int, held: int, wanted: int) -> float:
    """Return the probability that fewer than `wanted` of a draw's `own` rows of a stratum are left when `held` of its
    `rows` rows are held out at random: the upper tail of the hypergeometric distribution. scipy is not used, because
    the Snakefile would load it in every cluster job."""
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
