"""What every plugin must do, as checks that strangers can run on theirs.

    from popleak.contracts import check_attack, check_model

    def test_contract():
        check_attack(MyAttack())

Each check raises AssertionError naming what was broken. An attack for which the made-up games of `contract_data` mean
nothing (`ceiling`, whose evidence is a law) passes its own `generate`. Everything is seeded: a check that passes once
passes always.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import subprocess
import sys
from typing import get_args

import numpy as np
import pydantic

from .attacks.base import Access, Attack, Judge
from .contract_data import SHADOWS, VICTIMS, Example, Generate, beta_scores, frozen, made_up, permuted
from .errors import PopleakError
from .models.base import Model
from .seeds import generator
from .settings import Settings

HEAVY = ("torch", "pandas", "scipy", "sklearn", "pyarrow")
SIGMAS = 4.5
__all__ = (
    "SHADOWS", "VICTIMS", "Example", "Generate", "beta_scores", "check_attack", "check_model", "frozen",
    "made_up", "permuted",
)  # fmt: skip


def calibrate(attack: Attack, example: Example, settings: Settings) -> Judge:
    return attack.calibrate(
        shadows_0=example.shadows_0,
        shadows_1=example.shadows_1,
        query=example.query,
        game=example.game,
        settings=settings,
    )


def scores(judge: Judge, victims: np.ndarray) -> np.ndarray:
    """Return the scores (V,) of victims (V, m), judged one after another."""
    values = [judge.score(victim) for victim in victims]
    for value in values:
        assert isinstance(value, float) and np.isfinite(value), f"score must return a finite float, not {value!r}"
        guess = judge.guess(value)
        assert not isinstance(guess, bool) and guess in (-1, 0, 1), f"guess must return -1, 0 or 1, not {guess!r}"
    return np.array(values)


def accuracy(judge: Judge, example: Example) -> float:
    """Return the balanced accuracy on the victims, an abstention counting one half."""
    shares = []
    for world, victims in enumerate((example.victims_0, example.victims_1)):
        guesses = np.array([judge.guess(value) for value in scores(judge, victims)])
        shares.append(np.mean(np.where(guesses == -1, 0.5, guesses == world)))
    return float(np.mean(shares))


# Checks of any plugin.


def check_names(plugin: Attack | Model) -> None:
    """Name, summary and settings are those that lists, tables and the config need."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", plugin.name), f"name {plugin.name!r} must be lower case with hyphens"
    assert plugin.summary and "\n" not in plugin.summary, "summary must be one line"
    assert issubclass(plugin.Settings, Settings), "Settings must derive from popleak.settings.Settings"
    plugin.Settings().resolved()
    for name, field in plugin.Settings.model_fields.items():
        assert field.description, f"setting {name} needs a docstring"
    try:
        plugin.Settings(no_such_setting=1)
    except pydantic.ValidationError:
        return
    raise AssertionError("Settings must refuse unknown keys")


@functools.cache
def heavy_imports(module: str) -> tuple[str, ...]:
    """Return which of HEAVY a fresh interpreter has loaded after importing `module`."""
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{module} cannot be imported: {done.stderr.strip()[-500:]}"
    return tuple(done.stdout.split())


def check_imports(plugin: Attack | Model) -> None:
    """Importing the plugin's file loads nothing heavy: the plan reads every plugin each time it is made."""
    module = type(plugin).__module__
    if importlib.util.find_spec(module) is not None and module != "__main__":
        heavy = heavy_imports(module)
        assert not heavy, f"{module} imports {', '.join(heavy)} at its top: import inside the functions that need it"


# Checks of attacks: each takes (attack, generate, settings).


def check_attack_class(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Access is one of those there are, and the attack says of a game whether it applies and can be mounted."""
    check_names(attack)
    kinds = get_args(Access)
    assert attack.access in kinds, f"access must be one of {', '.join(kinds)}, not {attack.access!r}"
    for flag in ("shadows", "undefended_only"):
        assert isinstance(getattr(attack, flag), bool), f"{flag} must be True or False"
    example = generate(attack, kind="easy")
    assert attack.applies(example.game) is True, "applies must return True on the example's game"
    assert attack.refuses(example.game) is None, "refuses must return None on the example's game"
    if attack.access == "weights":
        reason = attack.refuses(example.game._replace(sides=None))
        assert reason and "\n" not in reason, "refuses must say in one line why a model without layers will not do"
    known = attack.known_accuracy(game=example.game, query=example.query)
    if known is not None:
        value, error = known
        assert 0.5 <= value <= 1 + 1e-9 and error >= 0, (
            f"known_accuracy must be (0.5 .. 1, standard error), not {known}"
        )


def check_alone(attack: Attack, generate: Generate, settings: Settings) -> None:
    """A victim's score is the same alone, among others and after others, bit for bit."""
    example = generate(attack, kind="easy")
    victims = np.concatenate([example.victims_0[:5], example.victims_1[:5]])
    judge = calibrate(attack, example, settings)
    among = scores(judge, victims)
    backwards = scores(judge, victims[::-1])[::-1]
    alone = [scores(calibrate(attack, example, settings), victim[None])[0] for victim in victims[:3]]
    assert np.array_equal(among, backwards), "a score depends on what was scored before it"
    assert np.array_equal(among[:3], alone), "a victim's score alone differs from its score among others"


def check_deterministic(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Two calibrations on the same shadows score alike, whatever numpy's global random state is."""
    example, state = generate(attack, kind="easy"), np.random.get_state()  # noqa: NPY002
    try:
        found = []
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            found.append(scores(calibrate(attack, example, settings), example.victims_0[:10]))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert np.array_equal(*found), "calibrating twice on the same shadows gives different scores"


def check_order(attack: Attack, generate: Generate, settings: Settings) -> None:
    """The order of the shadows within a world does not matter (to 1e-9)."""
    example, rng = generate(attack, kind="null"), np.random.default_rng(0)
    mixed = example._replace(
        shadows_0=frozen(rng.permutation(example.shadows_0)), shadows_1=frozen(rng.permutation(example.shadows_1))
    )
    before, after = (scores(calibrate(attack, e, settings), example.victims_1[:20]) for e in (example, mixed))
    assert np.allclose(before, after, rtol=0, atol=1e-9), "scores depend on the order of the shadows"


def check_units(attack: Attack, generate: Generate, settings: Settings) -> None:
    """With access to weights: a model whose hidden units are renamed scores the same (to 1e-9), victims or shadows.

    Except where `ignores_unit_order` says that it does not.
    """
    if attack.access != "weights" or not attack.ignores_unit_order(settings):
        return
    example, rng = generate(attack, kind="easy"), np.random.default_rng(0)

    def renamed(models: np.ndarray) -> np.ndarray:
        return frozen(np.stack([permuted(model, example.game.sides, rng) for model in models]))

    victims = example.victims_0[:10], renamed(example.victims_0[:10])
    other = example._replace(shadows_0=renamed(example.shadows_0), shadows_1=renamed(example.shadows_1))
    judge = calibrate(attack, example, settings)
    before, after = (scores(judge, models) for models in victims)
    again = scores(calibrate(attack, other, settings), victims[0])
    assert np.allclose(before, after, rtol=1e-9, atol=0), "scores depend on the order of a victim's hidden units"
    assert np.allclose(before, again, rtol=1e-9, atol=1e-9), "scores depend on the order of the shadows' hidden units"


def check_without_shadows(attack: Attack, generate: Generate, settings: Settings) -> None:
    """An attack that says it uses no shadows gets none, and scores as it would with them."""
    if attack.shadows:
        return
    example = generate(attack, kind="easy")
    none = frozen(example.shadows_0[:0])
    with_shadows, without = (
        scores(calibrate(attack, given, settings), example.victims_0[:10])
        for given in (example, example._replace(shadows_0=none, shadows_1=none))
    )
    assert np.array_equal(with_shadows, without), "shadows = False, but the scores depend on the shadows"


def check_few_shadows(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Sound with one, two and three shadows a world, and with unequal numbers."""
    example = generate(attack, kind="easy")
    for n_0, n_1 in ((1, 1), (2, 2), (3, 3), (1, 4), (5, 2)):
        few = example._replace(shadows_0=example.shadows_0[:n_0], shadows_1=example.shadows_1[:n_1])
        scores(calibrate(attack, few, settings), example.victims_0[:5])


def check_extremes(attack: Attack, generate: Generate, settings: Settings) -> None:
    """Scores are finite where shadows, victims or both are constant, and at outputs of exactly 0 and 1."""
    example = generate(attack, kind="easy")
    flat = {value: np.full_like(example.shadows_0, value) for value in (0.0, 1.0)}
    hard = np.round(example.victims_0[:5])
    if attack.access == "scores":
        flat[0.3] = np.full_like(example.shadows_0, 0.3)
    shadows = [(example.shadows_0, example.shadows_1)]
    shadows += [(flat[p], flat[q]) for p in flat for q in flat]
    shadows += [(np.round(world_0), np.round(world_1)) for world_0, world_1 in shadows[:1]]
    for world_0, world_1 in shadows:
        for n in (1, len(world_0)):
            judge = calibrate(attack, example._replace(shadows_0=world_0[:n], shadows_1=world_1[:n]), settings)
            for victims in (example.victims_1[:3], hard, *(rows[:1] for rows in flat.values())):
                scores(judge, victims)


def check_easy(attack: Attack, generate: Generate, settings: Settings) -> None:
    """At least 0.98 of the victims are named rightly where the worlds are far apart: higher means world 1."""
    example = generate(attack, kind="easy")
    found = accuracy(calibrate(attack, example, settings), example)
    assert found >= 0.98, f"accuracy {found:.3f} on an easy pair of worlds, at least 0.98 expected"


def check_null(attack: Attack, generate: Generate, settings: Settings) -> None:
    """At chance where the worlds are one: for one calibration, and over eight with fresh shadows and victims."""
    found = []
    for seed in range(8):
        example = generate(attack, kind="null", seed=seed)
        found.append(accuracy(calibrate(attack, example, settings), example))
    for value, n in ((found[0], 2 * VICTIMS), (float(np.mean(found)), 2 * VICTIMS * len(found))):
        error = SIGMAS * np.sqrt(0.25 / n)
        assert abs(value - 0.5) <= error, f"accuracy {value:.3f} on two equal worlds, not 0.5 +- {error:.3f}"


ATTACK_CHECKS = (
    check_attack_class,
    check_alone,
    check_deterministic,
    check_order,
    check_units,
    check_without_shadows,
    check_few_shadows,
    check_extremes,
    check_easy,
    check_null,
)


def check_attack(attack: Attack, *, generate: Generate = made_up, settings: Settings | None = None) -> None:
    """Raise AssertionError if `attack` breaks the contract. `settings`: by default the plugin's defaults.

    generate: what makes up the games, by default the generator for the attack's access.
    """
    check_imports(attack)
    for check in ATTACK_CHECKS:
        check(attack, generate, settings or attack.Settings())


# Checks of models: each takes (model, settings).


def check_closed_form(model: Model, settings: Settings) -> None:
    """Weights and scores have their shapes and types, and a model does not depend on the stack it is fitted in."""
    rng = generator("contract", "model")
    y, cell = rng.integers(0, 2, 300).astype(np.int8), rng.integers(0, 4, 300).astype(np.int16)
    rows, asked = np.stack([rng.permutation(300)[:40] for _ in range(6)]), np.arange(200, 300)
    for array in (y, cell, rows):
        frozen(array)
    fit = functools.partial(model.fit, cell=cell, settings=settings)
    weights = fit(y=y, rows=rows)
    assert weights.ndim == 2 and len(weights) == 6 and weights.dtype == np.float32, "fit must return (K, P) float32"
    found = model.predict(frozen(weights), cell=cell, rows=asked, settings=settings)
    assert found.shape == (6, 100), f"predict must return (K, m) = (6, 100), not {found.shape}"
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1, "scores must lie in [0, 1]"
    alone = np.concatenate([fit(y=y, rows=rows[k : k + 1]) for k in range(6)])
    assert np.array_equal(weights, alone), "a model's weights depend on the stack it was fitted in"
    assert np.array_equal(weights, fit(y=y, rows=rows)), "fitting twice gives different weights"
    assert np.allclose(weights, fit(y=y, rows=rows[:, ::-1]), rtol=0, atol=1e-6), "the order of the rows matters"
    for label in (0, 1):
        assert np.isfinite(fit(y=np.full_like(y, label), rows=rows)).all(), "weights must be finite if all labels agree"
    with contextlib.suppress(PopleakError):  # a model that needs cells says so in one line
        model.fit(y=y, cell=None, rows=rows, settings=settings)


def check_gradient(model: Model, settings: Settings) -> None:
    """`build` returns a module that can be stacked: (batch, d) to (batch, 1) logits, no state but weights."""
    import torch

    modules = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        modules.append(model.build(7, settings))
    x = torch.linspace(-2, 2, 35).reshape(5, 7)
    logits = [module(x) for module in modules]
    assert logits[0].shape == (5, 1), f"logits must be (batch, 1), not {tuple(logits[0].shape)}"
    assert modules[0](x[:1]).shape == (1, 1), "a batch of one row must work"
    assert all(torch.isfinite(values).all() for values in logits), "logits must be finite"
    assert torch.equal(logits[0], logits[1]), "the same seed must give the same weights"
    sides = model.sides(7, settings)
    if sides is not None:
        from .engine.stack import sides_of

        assert sides_of(modules[0]) == sides, "`build` does not make the chain that `sides` tells of"
        from .engine.fit import Chain, initial_weights

        build = functools.partial(model.build, 7, settings)
        same = np.array_equal(*(initial_weights(one, np.arange(3)) for one in (build, Chain(sides))))
        assert same, "`build` has initial weights of its own: then leave out `sides`, which stands for torch's defaults"
    # A state outside the weights (running means, say) would be shared by, or lost to, the stacked models.
    assert not list(modules[0].buffers()), "a module with buffers cannot be stacked"
    weights, _ = torch.func.stack_module_state(modules[1:])
    stacked = torch.func.vmap(lambda w: torch.func.functional_call(modules[0], w, (x,)))(weights)
    assert torch.allclose(stacked, torch.stack(logits[1:]), atol=1e-5), "stacked and single models disagree"
    logits[0].sum().backward()
    for name, parameter in modules[0].named_parameters():
        assert parameter.dtype == torch.float32, f"parameter {name} must be float32"
        assert parameter.grad is not None, f"no gradient reaches parameter {name}"


def check_model(model: Model, *, settings: Settings | None = None) -> None:
    """Raise AssertionError if `model` breaks the contract. `settings`: by default the plugin's defaults."""
    check_names(model)
    check_imports(model)
    (check_gradient if model.gradient else check_closed_form)(model, settings or model.Settings())
