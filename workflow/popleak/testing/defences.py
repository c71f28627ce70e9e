"""Checks of defences: each takes (defence, settings). They run on made-up records with small models trained on them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..core.frozen import Frozen, Stream
from ..core.needs import Mixing, counts
from ..core.seeds import derive, generator
from ..core.settings import Settings
from ..defences._price import ACCESS
from ..defences.base import Defence, Population
from ..engine.fit import Training
from ..engine.objective import WORDS
from ..stages._owners import FittingOwner
from ..stages.defend import finished
from ..stages.draw import draw_one, members
from ..stages.train import Fitter
from ..steps.defend import DefendStep
from ..store.records import Loaded
from .data import frozen
from .plugin import check_imports, check_names

FLAGS = ("complement", "public", "closed_form", "randomised", "uses_group")
MODELS, ROWS, POINTS = 4, 200, 60
NEAR = 0.03
"""How far a share of rows may lie from what is declared: they are whole rows."""
TRAINING = {"epochs": 4, "batch": 50, "learning_rate": 0.01, "validation": 0.1}


@functools.cache
def made_up_records(size: int = 3000) -> Loaded:
    """Return records of two groups that differ in their label rates, and of two labels that the features tell apart to some degree."""
    rng = generator("contract", "records")
    a = rng.integers(0, 2, size).astype(np.int8)
    y = (rng.random(size) < np.where(a == 1, 0.5, 0.3)).astype(np.int8)
    x = (rng.normal(size=(size, 6)) + y[:, None] * np.linspace(0, 1.5, 6) + 0.3 * a[:, None]).astype(np.float32)
    cell = rng.integers(0, 4, size).astype(np.int16)
    for values in (x, y, a, cell):
        frozen(values)
    return Loaded(x, y, a, np.arange(size), cell, {"groups": ["group 0", "group 1"]})


class Owners:
    """Owners of one world, P(a = 1) = ratio, with their trained base models; the complement is of a world with P(a = 1) = other.

    population: the base models; seeds (K,); rows, complement, public (K, n): disjoint for each model.
    """

    def __init__(
        self,
        records: Loaded,
        ratio: float = 0.3,
        other: float = 0.5,
        *,
        model: str = "mlp",
        model_settings: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] = TRAINING,
        rows: int = ROWS,
        models: int = MODELS,
        seed: int = 7,
    ) -> None:
        own = {"widths": (8,)} if model == "mlp" and model_settings is None else model_settings or {}
        gradient = plugins.load("models", model).gradient
        told = DefendStep(
            model=model, model_settings=own, training=Training(**training) if gradient else None,
            held_out=0.0 if gradient else training["validation"], roles=("victim",), part=(0, 1), defence="none",
            defence_settings={}, mode="natural", directions=((f"{ratio!r}#0", f"{other!r}#0"),),
        )  # fmt: skip
        self.fitter = Fitter(told, records)
        self.size = rows
        self.seeds = np.array([derive(seed, "case", k) for k in range(models)])
        self.mixing = Mixing((ratio, other), rows, "natural", float(records.y.mean()))
        self.rows = self._draw(ratio, "base", np.empty((models, 0), int))
        self.complement = self._draw(other, "complement", self.rows)
        self.public = self._draw(0.5, "public", np.concatenate([self.rows, self.complement], 1))
        fitted = self.fitter(self.rows, self.seeds)
        zeros = np.zeros(models)
        self.population = Population(frozen(fitted.weights), fitted.finite, zeros, zeros)

    def _draw(self, ratio: float, purpose: str, taken: np.ndarray) -> np.ndarray:
        records, wanted = self.fitter.records, counts(ratio, self.size, "natural", 0.0)
        found = []
        for seed, beside in zip(self.seeds, taken, strict=True):
            pool = np.ones(len(records.y), bool)
            pool[beside] = False
            strata = {key: members(key, records.y, records.a, pool) for key in wanted}
            found.append(draw_one(wanted, strata, generator(int(seed), purpose)))
        return np.stack(found)

    def owner(
        self,
        defence: Defence,
        part: slice | np.ndarray = slice(None),
        without: str = "",
        settings: Settings | None = None,
    ) -> FittingOwner:
        """Return what the stage `defend` would hand to a defence of the models `part`, by default at the plugin's own settings; without:
        what is withheld, `complement` or `public`, though it is declared."""
        names = Population.__dataclass_fields__
        own = settings or defence.Settings()
        needed = {"complement": defence.complements(own), "public": defence.publishes(own)}
        rows = {
            name: getattr(self, name)[part][:, : self.size if needed[name] and name != without else 0]
            for name in ("complement", "public")
        }
        found = FittingOwner(
            self.fitter, Population(*(getattr(self.population, name)[part] for name in names)), self.seeds[part],
            self.rows[part], **rows, mixing=self.mixing, defence=defence,
        )  # fmt: skip
        if defence.received(own) is not None:
            found.receive(*self._generated(part))
        return found

    def _generated(self, part: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features (K, n, d), labels and groups (K, n) of rows that generators of the models' own rows might give."""
        records, rows = self.fitter.records, self.rows[part]
        noise = [
            generator(int(seed), "generated").normal(0, 0.1, (self.size, records.x.shape[1]))
            for seed in self.seeds[part]
        ]
        return (records.x[rows] + np.stack(noise)).astype(records.x.dtype), records.y[rows], records.a[rows]


@functools.cache
def made_up_owners() -> Owners:
    return Owners(made_up_records())


def released(defence: Defence, settings: Settings, owner: FittingOwner) -> tuple[Population, np.ndarray]:
    """Return the defended models and the state (K, S) that each keeps."""
    try:
        population = defence.apply(owner, settings)
        state = finished(defence, owner, population, settings) if defence.finishes else None
    except PopleakError as error:
        raise AssertionError(str(error)) from error
    return population, np.empty((len(owner.seeds), 0)) if state is None else state


def _bits(found: tuple[Population, np.ndarray]) -> list[bytes]:
    return [row.tobytes() + state.tobytes() for row, state in zip(found[0].weights, found[1], strict=True)]


def check_defence_class(defence: Defence, settings: Settings) -> None:
    """What is declared is known and fits together."""
    check_names(defence)
    for flag in FLAGS:
        assert isinstance(getattr(defence, flag), bool), f"{flag} must be True or False"
    unknown = set(defence.wants) - set(WORDS)
    assert isinstance(defence.wants, tuple) and not unknown, f"wants must name some of {', '.join(WORDS)}"
    assert not (defence.closed_form and defence.wants), "a closed form is fitted to labels alone: closed_form or wants"
    assert defence.classes is None or defence.classes >= 2, "classes must be None or a number from 2 on"
    assert defence.seconds is None or defence.seconds >= 0, "seconds must be None or at least 0"
    for name in ("randomised", "uses_group", "finishes"):
        assert defence.answers or not getattr(defence, name), f"{name}: only `answer` can make use of it"
    assert defence.control is not None or not defence.control_at, "control_at without a control"
    known = set(defence.Settings.model_fields)
    assert set(defence.control_at) <= known, f"control_at must name some of {', '.join(sorted(known))}"
    assert defence.control != defence.name or defence.control_at, (
        "a defence that is its own control says at which settings"
    )


def check_at_settings(defence: Defence, settings: Settings) -> None:
    """What depends on settings is known and fits together."""
    members = defence.members(settings)
    assert isinstance(members, int) and members >= 1, "members must be a whole number, at least 1"
    assert defence.answers or members == 1, "members: only `answer` makes one answer of those of several models"
    assert not (defence.randomises(settings) and defence.freezes(settings)), (
        "answers are drawn afresh or once: one of both"
    )


def check_released(defence: Defence, settings: Settings) -> None:
    """Models have their shapes and types, are finite where the base models are, and these are left alone."""
    owner = made_up_owners().owner(defence, settings=settings)
    before = owner.population.weights.copy()
    found, _ = released(defence, settings, owner)
    assert isinstance(found, Population), f"apply must return a Population, not {type(found).__name__}"
    wanted = (len(before), defence.members(settings) * before.shape[1])
    assert found.weights.shape == wanted, f"weights of shape {found.weights.shape}, not {wanted}"
    for name in ("finite", "eo_weight", "eo_vacuous"):
        assert getattr(found, name).shape == (MODELS,), f"{name} must be one number a model"
    assert found.finite.dtype == bool, "finite must be bool"
    assert found.finite.all() and np.isfinite(found.weights).all(), "models of sound base models must be finite"
    assert np.array_equal(owner.population.weights, before), "the base models must be left alone"


def check_needs(defence: Defence, settings: Settings) -> None:
    """What is declared of rows is used; what is not declared is not given, and what `wants` lacks is refused."""
    owners = made_up_owners()
    whole = _bits(released(defence, settings, owners.owner(defence, settings=settings)))
    for name in ("complement", "public"):
        if not (defence.publishes(settings) if name == "public" else defence.complements(settings)):
            continue
        try:
            bare = _bits(released(defence, settings, owners.owner(defence, without=name, settings=settings)))
        except Exception:  # without its rows a defence may end in any way
            continue
        assert bare != whole, f"{name} = True, but nothing changes without these rows: say {name} = False"


def check_access(defence: Defence, settings: Settings) -> None:
    """What makes its models without M_0 needs access to the training, but where a theorem says that next to nothing is left of M_0. Who
    needs that access may look at M_0 too."""
    access = defence.access_at(settings)
    assert {access, defence.access} <= set(ACCESS), f"access must be one of {', '.join(ACCESS)}"
    if defence.name == "none" or (access == "post-hoc" and (defence.answers or defence.certifies)):
        return
    told = any(_follows_base(defence, settings, owners) for owners in (made_up_owners(), _logistic_owners()))
    assert told or access == "training", 'models do not depend on M_0: say access = "training"'


@functools.cache
def _logistic_owners() -> Owners:
    """Return owners of models without a hidden layer: of others some defences keep nothing but their rows."""
    return Owners(made_up_records(), model="logistic")


def _follows_base(defence: Defence, settings: Settings, owners: Owners) -> bool:
    """Return whether what is released changes with the base models."""
    found = []
    for turned in (False, True):
        owner = owners.owner(defence, settings=settings)
        weights = owner.population.weights
        owner.population = replace(owner.population, weights=frozen(weights[::-1].copy()) if turned else weights)
        found.append(_bits(released(defence, settings, owner)))
    return found[0] != found[1]


def check_used(defence: Defence, settings: Settings) -> None:
    """The rows that a defence trains on are as many of each kind as it says; rows that it only looks at are its own word."""
    owner = made_up_owners().owner(defence, settings=settings)
    released(defence, settings, owner)
    beside = any(getattr(entry, "beside", False) for entry in owner.ledger)
    seen = [entry.rows[0] for entry in owner.ledger if hasattr(entry, "rows") and 0 in _part(entry)]
    rows = np.unique(np.concatenate([owner.base[0][:0], *seen]))
    rows = rows[rows < owner.samples.min(initial=len(owner.y))]  # those of a generator are no record
    said = defence.used(settings, TRAINING["validation"])
    for name, share, pool in zip(said._fields, said, (owner.draw, owner.complement, owner.public), strict=True):
        there = np.isin(rows, pool[0]).sum() / ROWS
        assert there <= share + NEAR, f"{there:.2f} of the rows {name} are trained on, not {share:.2f}: see `used`"
        exact = type(defence).used is Defence.used and name != "public" and not beside and len(rows)
        assert not exact or there >= share - NEAR, (
            f"{share:.2f} of the rows {name} are said to be trained on, not {there:.2f}: see `used`"
        )


def _part(entry: Any) -> np.ndarray:
    return getattr(entry, "part", np.arange(MODELS))


def check_repeats(defence: Defence, settings: Settings) -> None:
    """Models and states follow from the models' seeds alone, whatever numpy's global random state is."""
    owners, state = made_up_owners(), np.random.get_state()  # noqa: NPY002
    try:
        found = []
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            found.append(_bits(released(defence, settings, owners.owner(defence, settings=settings))))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert found[0] == found[1], "the same owners twice give other models, or another state"


def check_stack(defence: Defence, settings: Settings) -> None:
    """A model and its state are the same, bit for bit, alone and among others in any order."""
    owners = made_up_owners()
    whole = _bits(released(defence, settings, owners.owner(defence, settings=settings)))
    order = np.arange(MODELS)[::-1]
    turned = _bits(released(defence, settings, owners.owner(defence, order, settings=settings)))
    assert turned == whole[::-1], "a model depends on the order of the models"
    alone = _bits(released(defence, settings, owners.owner(defence, slice(1, 2), settings=settings)))
    assert alone == whole[1:2], "a model depends on those beside it"


def check_diverged(defence: Defence, settings: Settings) -> None:
    """A base model that diverged ends nothing, has a finite state where there is one, and leaves the models beside it as they are."""
    owners = made_up_owners()
    whole = _bits(released(defence, settings, owners.owner(defence, settings=settings)))
    owner = owners.owner(defence, settings=settings)
    weights, finite = owner.population.weights.copy(), owner.population.finite.copy()
    weights[1], finite[1] = np.nan, False
    owner.population = replace(owner.population, weights=frozen(weights), finite=finite)
    found = _bits(released(defence, settings, owner))
    assert [found[k] == whole[k] for k in (0, 2, 3)] == [True] * 3, "a diverged base model moves those beside it"


def asked(defence: Defence, settings: Settings) -> Iterator[np.ndarray]:
    """Yield scores (q,) of a model, and (q, C) where a defence takes any number of classes; the extremes are among them. Of a release that
    holds several models each is asked: (M, q)."""
    rng, members = generator("contract", "answers"), defence.members(settings)
    scores = rng.random(POINTS)
    scores[:3] = 0, 0.5, 1
    if members > 1:
        scores = np.stack([scores, *rng.random((members - 1, POINTS))])
    yield frozen(scores.astype(np.float32))
    if defence.classes is None and not defence.finishes and members == 1:
        each = rng.dirichlet(np.ones(3), POINTS)
        each[0] = 1, 0, 0
        yield frozen(each.astype(np.float32))


def check_answers(defence: Defence, settings: Settings) -> None:
    """Answers have their shape, lie in [0, 1] and differ from asking to asking if and only if the defence randomises."""
    if not defence.answers:
        return
    _, states = released(defence, settings, made_up_owners().owner(defence, settings=settings))
    group = np.resize(np.array([0, 1], np.int8), POINTS)
    several, freezes = defence.members(settings) > 1, defence.freezes(settings)
    repeats = 3 if defence.randomises(settings) or freezes else 1

    def draws(seed: int, points: np.ndarray) -> Stream:
        return Frozen(seed, points) if freezes else generator("contract", seed)

    for scores in asked(defence, settings):
        points, per = np.arange(POINTS), scores.shape[1:] if several else scores.shape
        # chance may decide nothing in one model's state, and does in another's
        told = [
            _asked_alike(defence, settings, scores, group, frozen(state.copy()), repeats, per, functools.partial(draws, points=points))
            for state in states
        ]  # fmt: skip
        _random_as_declared(defence, settings, told)
        if freezes:
            _frozen_each(defence, settings, scores, group, frozen(states[0].copy()))


def _asked_alike(
    defence: Defence,
    settings: Settings,
    scores: np.ndarray,
    group: np.ndarray,
    state: np.ndarray,
    repeats: int,
    per: tuple[int, ...],
    draws: Callable[[int], Stream],
) -> tuple[np.ndarray, np.ndarray]:
    """Return what one release answers with the draws of two seeds, after all that holds of each answer. per: the shape of one."""
    ask = functools.partial(defence.answer, scores=scores, group=group, state=state, settings=settings, repeats=repeats)
    found = ask(rng=draws(1))
    assert found.shape == (repeats, *per), f"answers of shape {found.shape}, not {(repeats, *per)}"
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1, "answers must lie in [0, 1]"
    if len(per) == 2:
        assert np.allclose(found.sum(-1), 1, atol=1e-4), "answers of more than two classes must sum to 1"
    again, other = (ask(rng=draws(i)) for i in (1, 2))
    assert np.array_equal(found, again), "answers must come from rng alone"
    swapped = ask(group=1 - group, rng=draws(1))
    assert defence.uses_group or np.array_equal(found, swapped), "answers depend on the group: say uses_group = True"
    lost = ask(scores=np.full_like(scores, np.nan), repeats=1, rng=draws(1))
    assert np.isnan(lost).all(), "what is not a number must stay so: a diverged model must be seen to be one"
    return found, other


def _random_as_declared(defence: Defence, settings: Settings, told: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Answers (repeats, q) differ from those with another seed, and among themselves if and only if the defence randomises at these settings;
    where it freezes them, they differ from those of another model's seed alone."""
    random, freezes = defence.randomises(settings), defence.freezes(settings)
    same = all(np.array_equal(found, other) for found, other in told)
    assert same or random or freezes, "answers depend on rng: say randomised = True"
    assert not same or not random, "randomised = True, but the answers do not depend on rng"
    assert not same or not freezes, "answers are frozen draws, but do not depend on them"
    alike = all(len({one.tobytes() for one in found}) == 1 for found, _ in told)
    assert not random or not alike, "a query that is asked again must be answered afresh"
    assert not freezes or alike, "answers are frozen, but a query that is asked again is answered otherwise"


def _frozen_each(
    defence: Defence, settings: Settings, scores: np.ndarray, group: np.ndarray, state: np.ndarray
) -> None:
    """A frozen answer to a query point is the same in whatever company the point is asked."""
    points = np.arange(POINTS)
    ask = functools.partial(defence.answer, state=state, repeats=1, settings=settings)
    whole = ask(scores=scores, group=group, rng=Frozen(1, points))
    axis = 1 if defence.members(settings) > 1 else 0
    for some in (points[::-1], points[7:11]):
        part = ask(scores=np.take(scores, some, axis), group=group[some], rng=Frozen(1, some))
        assert np.array_equal(part, whole[:, some]), "answers are frozen, but depend on what else is asked"


DEFENCE_CHECKS = (
    check_defence_class,
    check_at_settings,
    check_released,
    check_needs,
    check_repeats,
    check_stack,
    check_diverged,
    check_answers,
    check_access,
    check_used,
)


def check_defence(defence: Defence, *, settings: Settings | None = None) -> None:
    """Raise AssertionError if `defence` breaks the contract; settings: by default the plugin's."""
    check_imports(defence)
    for check in DEFENCE_CHECKS:
        check(defence, settings or defence.Settings())
