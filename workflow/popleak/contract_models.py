"""Checks of models: each takes (model, settings)."""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from .contract_data import frozen
from .contract_plugin import check_imports, check_names
from .errors import PopleakError
from .models.base import Model
from .seeds import generator
from .settings import Settings


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
