"""Stage `defend`: applies one defence to the base models of some worlds, each towards the other world of a pair."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..core.halves import COPIES
from ..core.needs import Mixing, half_up
from ..core.protocols import ROLES, Role
from ..core.settings import Settings
from ..core.worlds import World
from ..defences import _ledger
from ..defences.base import Defence, Owner, Population
from ..engine.fit import Progress
from ..steps.defend import DefendStep
from ..store import parquet as store
from ..store.populations import CERTIFIED, Models, draws_of, empty, known, matching, of_role
from ..store.populations import read as read_models
from ..store.populations import write as write_models
from ..store.reuse import no_keys
from . import _noisy, train
from ._generating import fitter_of
from ._owners import FittingOwner
from ._received import Received


def run(
    *,
    settings: DefendStep,
    data: Path,
    draw: Sequence[Path],
    complement: Sequence[Path] = (),
    public: Sequence[Path] = (),
    base_victims: Sequence[Path],
    base_shadows: Sequence[Path],
    samples_victims: Sequence[Path] = (),
    samples_shadows: Sequence[Path] = (),
    victims: Path,
    shadows: Path,
    step: str,
    code: str,
    how: train.How,
) -> None:
    """Apply one defence to the base models in each of this job's directions, or its part of them; write victims and shadows.

    draw, base_victims, base_shadows: the base draws and base models of all worlds that the directions start from;
    complement: the draws of the directions; public: the public rows of these worlds' models; samples_victims, samples_shadows: what generators of these worlds release. The
    last four are empty for a defence that does not train on them.
    """
    models: dict[Role, Sequence[Path]] = {"victim": base_victims, "shadow": base_shadows}
    outputs: dict[Role, Path] = {"victim": victims, "shadow": shadows}
    released: dict[Role, Sequence[Path]] = {"victim": samples_victims, "shadow": samples_shadows}
    worlds = settings.own_worlds
    records = known(data, worlds)
    defence = plugins.load("defences", settings.defence)
    defence_settings = defence.Settings.model_validate(settings.defence_settings)
    inputs = [
        data,
        *draw,
        *complement,
        *public,
        *(path for of in (models, released) for role in ROLES for path in of[role]),
    ]
    facts = store.provenance(
        stage="defend", step=step, settings=settings.plain(), code=code, inputs=inputs, device=how.resolved()
    )
    fitter = fitter_of(settings, records, how, train.plain_size(records, worlds))
    stock = train.shelf(facts, settings, outputs, fitter)
    label_rate = float(records.y[: fitter.size].mean())
    names = (*train.MADE, *_kept(defence))
    with ExitStack() as files:
        writers = {role: files.enter_context(store.Writer(outputs[role], facts)) for role in ROLES}
        for world, other_world in settings.directions:
            drawn = drawn_for(defence, defence_settings, world, other_world, draw, complement, public)
            for role in ROLES:
                role_draws = {name: of_role(draws, role, settings.part) for name, draws in drawn.items()}
                keys, rows = role_draws["base"]
                if role not in settings.roles:
                    write_models(writers[role], empty(keys), no_keys())
                    continue
                base = base_of(models[role], world, [one for one, _ in role_draws.values()], draw, complement, public)
                others = {
                    name: role_draws[name][1] if name in role_draws else rows[:, :0]
                    for name in ("complement", "public")
                }
                received = Received.of(released[role], world, other_world, keys["seed"])
                made_of = stock.keys(keys["seed"], rows, *others.values(), base.weights, *received.parts())
                mixing = mixing_of(settings, world, other_world, rows.shape[1], label_rate)
                what = f"defend {step} {world} {role}s"
                make = functools.partial(
                    defended,
                    defence,
                    defence_settings,
                    fitter,
                    base,
                    rows,
                    others,
                    received,
                    mixing,
                    what,
                    role == "victim",
                )
                made = stock.complete(role, world, other_world, made_of, names, make)
                keys = {**keys, "from_world": np.full(len(rows), other_world)}
                after = Models.of(keys, made)
                certified_too = {name: made[name] for name in CERTIFIED if name in made}
                write_models(writers[role], after, made_of, **certified_too)
    stock.tell()


def _kept(defence: Defence) -> list[str]:
    """Return the columns that the models of a defence have beside those of all models."""
    there = {"state": defence.finishes, "certified": defence.certifies, "worst_case": defence.audited}
    return [name for name, so in there.items() if so]


def drawn_for(
    defence: Defence,
    own: Settings,
    world: str,
    other_world: str,
    draw: Sequence[Path],
    complement: Sequence[Path],
    public: Sequence[Path],
) -> dict[str, Any]:
    """Return the draws that a defence receives for models of `world`: S_0 and, if it declares them, the complement
    from `other_world` and public rows."""
    drawn = {"base": draws_of(draw, world, world)}
    if defence.complements(own):
        drawn["complement"] = draws_of(complement, world, other_world)
    if defence.publishes(own):
        drawn["public"] = draws_of(public, world, world)
    return drawn


def base_of(
    models: Sequence[Path], world: str, keys: Sequence[Mapping[str, np.ndarray]], *draws: Sequence[Path]
) -> Models:
    """Return the base models of a world for the draws with these keys; the first keys are those of S_0. Raises
    PopleakError unless models and draws belong together."""
    seeds = keys[0]["seed"]
    base = matching(read_models(models, world=world), seeds)
    if base is None or not all(np.array_equal(seeds, one["seed"]) for one in keys):
        named = " and ".join(str(path) for paths in draws for path in paths[:1])
        raise PopleakError(f"{models[0]}: holds models other than {named}: delete it and run again")
    return base


def mixing_of(settings: DefendStep, world: str, other_world: str, rows: int, label_rate: float) -> Mixing:
    """Return the composition of the mixtures for models of `world` turned to `other_world`; rows: of one draw."""
    own, other, poison = World.named(world), World.named(other_world), settings.poison
    poisoned = (1 - poison.label, poison.group) if own.poison and poison else (1, 1)
    rows -= own.targets * COPIES  # which lie beside the draw of the world's law
    return Mixing.of((own, other), rows, settings.mode, label_rate, half_up(own.poison * rows), poisoned)


def defended(
    defence: Defence,
    own: Settings,
    fitter: train.Fitter,
    base: Models,
    rows: np.ndarray,
    others: Mapping[str, np.ndarray],
    received: Received,
    mixing: Mixing,
    what: str,
    audited: bool,
    part: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the columns of models `part` (k,) of those with draws `rows` (K, n), complements and public rows `others`, each (K, n)
    or (K, 0), and what their generators release. audited: whether to run the worst case of each, if the defence has one."""
    names = Population.__dataclass_fields__
    before = Population(*(getattr(base, name)[part] for name in names))
    owner = FittingOwner(
        fitter, before, base.keys["seed"][part], rows[part], complement=others["complement"][part], public=others["public"][part],
        mixing=mixing, defence=defence, progress=Progress(what, len(part)),
    )  # fmt: skip
    received.give(owner, part)
    after = defence.apply(owner, own)
    weights = after.weights.astype(np.float32)
    way = np.full(len(part), np.nan)
    if fitter.model.gradient:  # of several models in one release: their mean
        each = np.split(weights, defence.members(own), axis=1)
        way = np.mean([travel(before.weights, one) for one in each], axis=0)
    made = {name: getattr(after, name) for name in names} | {"weights": weights, "travel": way}
    if defence.finishes:
        made["state"] = finished(defence, owner, after, own)
    if defence.certifies:
        made["certified"] = certified(defence, owner, weights, own)
    if defence.audited:
        made["worst_case"] = _noisy.worst_cases(owner) if audited else np.full(len(part), np.nan)
    return made


def certified(defence: Defence, owner: Owner, weights: np.ndarray, own: Settings) -> np.ndarray:
    """Return the advantage (K,) that a defence certifies of its models, NaN for those whose `weights` (K, P) are not what came of the last
    training in the ledger, and wherever a state is kept with them. Raises PopleakError if it is none."""
    found = np.asarray(defence.certify(owner, own), dtype=np.float64)
    if found.shape != (len(owner.seeds),) or (found < 0).any() or (found > 1).any():
        raise PopleakError(
            f"defence {defence.name!r}: certified advantages must be numbers in [0, 1] or NaN, one for each of {len(owner.seeds)} models"
        )
    return np.where(_ledger.ends(owner, weights) & (not defence.finishes), found, np.nan)


def finished(defence: Defence, owner: Owner, population: Population, own: Settings) -> np.ndarray:
    """Return the state (K, S) that a defence keeps with its models. Raises PopleakError if it is not of that form."""
    state = np.asarray(defence.finish(owner, population, own), dtype=np.float64)
    if state.ndim != 2 or len(state) != len(owner.seeds) or not state.shape[1] or not np.isfinite(state).all():
        raise PopleakError(
            f"defence {defence.name!r}: its state must be finite numbers (models, at least 1), here for {len(owner.seeds)} models, not "
            f"of shape {state.shape}"
        )
    return state


def travel(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the L2 distance (K,) of weights `after` (K, P) from `before`, relative to the norm of `before`; NaN for
    models that diverged."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        before, after = before.astype(np.float64), after.astype(np.float64)
        distance = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    return np.where(np.isfinite(distance), distance, np.nan)
