"""Checks of questions: each takes (question, protocol, ratios)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..attacks.base import Attack, Game, Query
from ..core import plugins
from ..core.needs import drawn
from ..core.protocols import ROLES
from ..core.seeds import generator
from ..core.worlds import World
from ..questions.base import Question, Shown, View
from ..steps.games import Pair
from ..store import schema
from . import samples
from .data import POINTS, SHADOWS, SIGMAS, beta_outputs, frozen
from .plugin import check_imports, check_names

VICTIMS = 60
"""Victims a world."""
MODES = ("natural", "label-balanced")
ROWS = 200
RIGHT: Mapping[str, Callable[[Mapping[str, Any]], np.ndarray]] = {
    "scores": lambda rows: np.where(rows["guess"] < 0, 0.5, rows["guess"] == rows["world"]),
    "estimates": lambda rows: rows["named"] == rows["ratio"],
    "shares": lambda rows: _nearest(rows["estimate"], np.unique(rows["ratio"])) == rows["ratio"],
}
"""Whether an answer is right, by the public table of the question's rows."""


def _nearest(estimates: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Return of each estimate (T,) the nearest of the ratios (W,)."""
    found: np.ndarray = ratios[np.abs(estimates[:, None] - ratios).argmin(axis=1)]
    return found


class Made(NamedTuple):
    """A made-up game of one split: what is known, and what is seen of shadows and of victims."""

    view: View
    shadows: Shown
    victims: Shown


def made_up(question: Question, attack: Attack, protocol: str, ratios: tuple[float, ...], *, easy: bool) -> Made:
    """Return models whose confidence in the labels of one kind of points rises from world to world, and falls in those of the other
    kind; not `easy`: all models are alike. Where it is asked about samples: generators at these ratios, or all at one."""
    if question.of_samples:
        return _made_of_samples(question, attack, protocol, ratios, easy=easy)
    rng = generator("contract", "question", question.name, protocol, int(easy))
    origin = np.repeat([0, 1], POINTS // 2).astype(np.int8)
    y = rng.integers(0, 2, POINTS).astype(np.int8)
    level, shift, count = rng.uniform(0.55, 0.65, POINTS), 0.25 * easy, len(ratios)

    def outputs(models: int) -> Shown:
        means = [level + shift * np.where(origin == 1, 1, -1) * (2 * b / (count - 1) - 1) for b in range(count)]
        found = [beta_outputs(attack.access, mean=mean, y=y, models=models, rng=rng) for mean in means]
        return Shown(_keys(count, models), frozen(np.concatenate(found).astype(np.float64)))

    query = Query(frozen(y), frozen(origin), frozen(origin), frozen(rng.integers(0, 4, POINTS).astype(np.int16)))
    game = Game(*question.known(ratios), rows=ROWS, mode="natural", model="logistic", groups=question.groups)
    pair = _pair(protocol, ratios)
    return Made(View(attack, attack.Settings(), pair, query, game), outputs(SHADOWS), outputs(VICTIMS))


def _keys(worlds: int, models: int) -> dict[str, np.ndarray]:
    """Return the keys of so many models of each world, all of one split."""
    size = worlds * models
    return {
        "split": np.zeros(size, dtype=np.int64), "world": np.repeat(np.arange(worlds), models),
        "model_index": np.tile(np.arange(models), worlds), "finite": np.ones(size, dtype=bool),
    }  # fmt: skip


def _made_of_samples(
    question: Question, attack: Attack, protocol: str, ratios: tuple[float, ...], *, easy: bool
) -> Made:
    """Return what generators of the made-up population of `testing.samples` release."""
    at = ratios if easy else (0.5,) * len(ratios)
    example = samples.made_up(attack.access, ratios=at, victims=VICTIMS)
    game = example.game._replace(ratio_0=min(ratios), ratio_1=max(ratios), groups=question.groups)
    view = View(attack, attack.Settings(), _pair(protocol, ratios), example.query, game)
    shadows, victims = (
        Shown(_keys(len(ratios), len(one[0])), frozen(np.concatenate(one)))
        for one in (example.shadows, example.victims)
    )
    return Made(view, shadows, victims)


def check_question_class(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """Words and flags are known ones that fit together."""
    check_names(question)
    assert re.fullmatch(r"[a-z][a-z0-9-]*", protocol) and protocol not in ("null", "na", "nan", "none"), (
        f"protocol {protocol!r} must be lower case with hyphens, and no word that readers of CSV take for a missing value"
    )
    for name in (question.table, *question.tables):
        there = schema.TABLES if name in question.tables else {**schema.TABLES, **schema.PARTS}
        assert name in there, f"{name!r} is no public table: choose from {', '.join(there)}"
    for flag in ("measured", "groups", "of_samples", "asks"):
        assert isinstance(getattr(question, flag), bool), f"{flag} must be True or False"
    assert question.points_mode in (None, *MODES), f"points_mode must be None or one of {', '.join(MODES)}"
    assert question.needs and "\n" not in question.needs, "needs must be one line"
    taken = plugins.protocols().get(protocol, question)
    assert taken.name == question.name, f"protocol {protocol!r} is that of the question {taken.name!r}: rename it"


def check_ratios(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """What a config may say is taken as it is, and what does not fit is refused in one line."""
    assert question.ratios(protocol, ratios) == ratios, "ratios must return what it is given, where that fits"
    for wrong in ((), (0.5,)) if len(ratios) > 1 else ((), (0.2, 0.5)):
        try:
            question.ratios(protocol, wrong)
        except ValueError as error:
            assert str(error) and "\n" not in str(error), "ratios must say in one line what is wrong"
            continue
        raise AssertionError(
            f"ratios must refuse {list(wrong)} with a ValueError: so many worlds are not what it asks about"
        )


def check_worlds(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """Each world has a name of its own that says all of it, and its draws come out in whole rows, in every task."""
    worlds = question.worlds(protocol, ratios)
    assert len(worlds) == len(ratios), f"{len(worlds)} worlds for {len(ratios)} ratios: give one for each"
    assert len(worlds) == 2 or not question.measured, "measured = True: models are measured between two worlds"
    assert len({world.name for world in worlds}) == len(worlds), (
        "two worlds have one name: give equal ones another copy"
    )
    others = [*(question.towards(worlds, b) for b in range(len(worlds))), *question.points(worlds)]
    for world in (*worlds, *others):
        assert isinstance(world, World) and World.named(world.name) == world, f"{world!r} must be a World"
        assert not world.poison, "the plan adds poison"
        _in_whole_rows(world)
    kinds = {world.label_rate is None for world in (*worlds, *others)}
    assert len(kinds) == 1, "either all worlds have a label rate of their own, or none"
    assert not (question.groups and False in kinds), "groups = True, but worlds have a label rate of their own"
    if len(worlds) == 2:
        _two_copies(question, protocol, ratios[0])


def _in_whole_rows(world: World) -> None:
    """Draws of any size come out in whole rows."""
    for mode, rows in itertools.product(MODES, (10, 33, ROWS)):
        counts = drawn(world, rows, mode, 0.3)
        assert sum(counts.values()) == rows and min(counts.values()) >= 0, f"{world} gives {counts} of {rows} rows"


def _two_copies(question: Question, protocol: str, ratio: float) -> None:
    """Equal ratios, where they are allowed, are two copies of one world."""
    try:
        same = question.ratios(protocol, (ratio, ratio))
    except ValueError:
        return
    zero, one = question.worlds(protocol, same)
    assert zero.law == one.law and zero.copy != one.copy, "equal ratios must give two copies of one world"


def rows_of(question: Question, made: Made) -> dict[str, np.ndarray]:
    """Return the columns that victims have, each (T,)."""
    fitted = question.fit(made.view, made.shadows)
    rows = question.grade(made.view, fitted, made.victims)
    sizes = {len(value) for value in rows.values() if isinstance(value, np.ndarray)}
    assert len(sizes) == 1, f"grade must return columns of one length, a row a trial, not {sorted(sizes)}"
    return {
        name: value if isinstance(value, np.ndarray) else np.full(max(sizes), value) for name, value in rows.items()
    }


def check_rows(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """The rows are those of the question's table, and no answer depends on the truth."""
    made = made_up(question, attack_for(question), protocol, ratios, easy=True)
    rows = rows_of(question, made)
    told = {name for name in (*question.cell(made.view.pair), *rows)}
    run = ("task", "model", "adversary", "access", "shadow_model", "poison", "defence", "knowledge", "repeats")
    wanted = {column.name for column in (schema.TABLES | schema.PARTS)[question.table]} - set(run)
    assert told == wanted, (
        f"cell and grade must give the columns {sorted(wanted)} of {question.table}, not {sorted(told)}"
    )
    other = {**made.victims.keys, "world": made.victims.keys["world"][::-1]}
    turned = rows_of(question, made._replace(victims=made.victims._replace(keys=other)))
    mixed = rows_of(question, made._replace(victims=made.victims._replace(outputs=made.victims.outputs[::-1])))
    for name in rows:
        truth, answer = (not np.array_equal(rows[name], one[name], equal_nan=False) for one in (turned, mixed))
        blank = rows[name].dtype.kind == "f" and np.isnan(rows[name]).all()
        assert blank or not (truth and answer), (
            f"the column {name} depends on the truth and on what is seen of the victim"
        )


def check_alone(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """What is said of a victim is the same alone, among others and after others, bit for bit."""
    made = made_up(question, attack_for(question), protocol, ratios, easy=True)
    rows, size = rows_of(question, made), len(made.victims.outputs)
    each = len(next(iter(rows.values()))) // size
    backwards = Shown({key: value[::-1] for key, value in made.victims.keys.items()}, made.victims.outputs[::-1])
    after = rows_of(question, made._replace(victims=backwards))
    for k in (0, size // 2, size - 1):
        single = Shown(
            {key: value[k : k + 1] for key, value in made.victims.keys.items()}, made.victims.outputs[k : k + 1]
        )
        alone = rows_of(question, made._replace(victims=single))
        for name, value in rows.items():
            mine, there = value[k * each : (k + 1) * each], after[name][(size - 1 - k) * each : (size - k) * each]
            same = np.array_equal(mine, alone[name], equal_nan=mine.dtype.kind == "f")
            assert same, f"the column {name} of a victim alone differs from that among others"
            assert np.array_equal(mine, there, equal_nan=mine.dtype.kind == "f"), (
                f"the column {name} of a victim depends on those before it"
            )


def check_shadows(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """Shadows that diverged are left out where others are left, and an attack that learns from none is fitted to none."""
    attack = attack_for(question)
    made = made_up(question, attack, protocol, ratios, easy=True)
    few = made.shadows.keys["model_index"] % 2 > 0
    whole = few.reshape(-1, *[1] * (made.shadows.outputs.ndim - 1))
    broken = Shown(
        {**made.shadows.keys, "finite": few}, np.where(whole, made.shadows.outputs, 1 - made.shadows.outputs)
    )
    without = Shown({key: value[few] for key, value in made.shadows.keys.items()}, made.shadows.outputs[few])
    one, other = (rows_of(question, made._replace(shadows=shadows)) for shadows in (broken, without))
    for name, value in one.items():
        assert np.array_equal(value, other[name], equal_nan=value.dtype.kind == "f"), (
            f"the column {name} depends on shadows that diverged"
        )


def check_easy_and_null(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """Worlds far apart are told apart nearly always, equal ones as often as by chance, where the table is one of those in RIGHT."""
    if question.table not in RIGHT:
        return
    chance, n = 1 / len(ratios), VICTIMS * len(ratios)
    for easy in (True, False):
        rows = rows_of(question, made_up(question, attack_for(question), protocol, ratios, easy=easy))
        found = float(np.mean(RIGHT[question.table](rows)))
        error = SIGMAS * np.sqrt(chance * (1 - chance) / n)
        if easy:
            least = 0.95 if len(ratios) == 2 else chance + error
            assert found >= least, f"share {found:.3f} of worlds far apart named rightly, not the {least:.3f} expected"
        else:
            assert abs(found - chance) <= error, (
                f"share {found:.3f} of equal worlds named, not {chance:.3f} +- {error:.3f}"
            )


def attack_for(question: Question) -> Attack:
    """Return the first attack of the package that can answer, with shadows, on labels or scores or, where they are asked about, on samples."""
    for name in ("threshold", "kl", *plugins.names("attacks")):
        attack: Attack = plugins.load("attacks", name)
        seen = plugins.load("access", attack.access)
        if question.answerable(attack) and attack.shadows and (seen.black_box or seen.reads == "samples"):
            return attack
    raise AssertionError(f"answerable: no attack of the package can answer {question.name!r}: give check_question one")


def check_row_question(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """Of models that remember their rows an adversary finds out, of others it does not, and the rows are those of the table."""
    from . import rows as about_rows  # here: what it needs takes a second to import

    made = {shift: about_rows.concluded(question, protocol, ratios, shift) for shift in (about_rows.SHIFT, 0.0)}
    told = {name for name in (*question.cell(_pair(protocol, ratios)), *made[0.0])}
    run = ("task", "model", "adversary", "access", "shadow_model", "poison", "defence", "knowledge", "repeats")
    wanted = {column.name for column in (schema.TABLES | schema.PARTS)[question.table]} - set(run)
    assert told == wanted, (
        f"cell and conclude must give the columns {sorted(wanted)} of {question.table}, not {sorted(told)}"
    )
    assert made[about_rows.SHIFT]["auc"][0] > about_rows.EASY, "models that remember their rows must give them away"
    low, high = made[0.0]["auc_low"][0], made[0.0]["auc_high"][0]
    assert low <= 0.5 <= high, f"AUC {low:.3f} to {high:.3f} of rows that no model saw: it must hold 0.5"


def check_asks_nothing(question: Question, protocol: str, ratios: tuple[float, ...]) -> None:
    """Where nobody is asked, victims are measured, and no adversary needs shadows or gets an answer in."""
    assert question.measured, "asks = False and measured = False: nothing would come of its worlds"
    assert question.roles == ("victim",), "asks = False: nobody learns from shadows: roles must be ('victim',)"
    able = [name for name in plugins.names("attacks") if question.answerable(plugins.load("attacks", name))]
    assert not able, f"asks = False, but answerable says that {able[0]!r} can be put to it"
    cell = question.cell(_pair(protocol, ratios))
    assert cell.get("protocol") == protocol, "cell must name the protocol"


def _pair(protocol: str, ratios: tuple[float, ...]) -> Pair:
    return Pair(pair=f"{protocol} made up", protocol=protocol, ratios=ratios, poison=0.0)


CHECKS = (
    check_question_class,
    check_ratios,
    check_worlds,
    check_rows,
    check_alone,
    check_shadows,
    check_easy_and_null,
)


ROW_CHECKS = (check_question_class, check_ratios, check_worlds, check_row_question)
"""Of questions whose trials are a victim and a row."""

SILENT_CHECKS = (check_question_class, check_ratios, check_worlds, check_asks_nothing)
"""Of questions that nobody is asked."""


def _checks(question: Question) -> tuple[Callable[[Question, str, tuple[float, ...]], None], ...]:
    if not question.asks:
        return SILENT_CHECKS
    return CHECKS if question.roles == ROLES else ROW_CHECKS


def check_question(question: Question, *, ratios: Mapping[str, tuple[float, ...]] | None = None) -> None:
    """Raise AssertionError if `question` breaks the contract.

    ratios: of worlds that differ, by protocol; those that the question gives by itself are used where a protocol is left out.
    """
    check_imports(question)
    check_protocols(question, ratios or {})


def check_protocols(question: Question, ratios: Mapping[str, tuple[float, ...]]) -> None:
    """Run all checks on each form of a question."""
    assert question.protocols, "protocols must name one form at least"
    for protocol in question.protocols:
        try:
            found = question.ratios(protocol, ratios.get(protocol))
        except ValueError as error:
            raise AssertionError(f"give check_question ratios for the protocol {protocol!r}: {error}") from None
        for check in _checks(question):
            check(question, protocol, found)
