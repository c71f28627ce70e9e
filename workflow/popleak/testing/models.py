"""Checks of models: each takes (model, settings)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import PopleakError
from ..core.seeds import generator
from ..core.settings import Settings
from ..models.base import Model
from .data import frozen
from .plugin import check_imports, check_names

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..engine.architecture import ConvNet, Dense, Form

FEATURES = 7
"""Features of the made-up records, unless the check is told of others."""
MORE_CLASSES = 3
"""Classes of the label for a model that takes any number, beside two."""


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


def check_tabled(model: Any, settings: Settings, features: int = FEATURES) -> None:
    """Answers have their shape and type, depend on the model's own rows, labels and seed alone, and are looked up as they are kept."""
    for classes in (2, MORE_CLASSES):
        _check_answers(model, settings, features, classes)
        few, many = (model.seconds(rows, features, settings, 1000, classes) for rows in (100, 10_000))
        assert 0 < few < many, "seconds must be above 0 and rise with the rows"
    reason = model.refuses(80, settings)
    assert reason is None or isinstance(reason, str), "refuses must return None or a reason"


def _check_answers(model: Any, settings: Settings, features: int, classes: int) -> None:
    """`check_tabled` for one number of classes."""
    rng = generator("contract", "tabled", classes)
    y = rng.integers(0, classes, 300).astype(np.int8)
    x = (rng.normal(size=(300, features)) + y[:, None]).astype(np.float32)
    rows, asked = rng.permutation(300)[:80], np.arange(200, 260)
    for array in (x, y, rows):
        frozen(array)
    answers = functools.partial(model.answers, x=x, rows=rows, settings=settings, classes=classes)
    found = answers(y=y, seed=1, count=280)
    shape = (280,) if classes == 2 else (280, classes)
    assert found.shape == shape and found.dtype == np.float32, (
        f"answers must be {shape} float32, not {found.shape} {found.dtype}"
    )
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1, "answers must lie in [0, 1]"
    if classes > 2:
        assert np.allclose(found.sum(1), 1, atol=1e-5), "the answers of all classes must sum to 1"
    assert np.array_equal(found, answers(y=y, seed=1, count=280)), "fitting twice gives different answers"
    assert np.array_equal(found[:200], answers(y=y, seed=1, count=200)), (
        "answers depend on which other records are asked"
    )
    _check_labels(answers, y, rows, classes)
    more = {} if classes == 2 else {"classes": classes}
    given = model.predict(frozen(found.reshape(1, -1)), cell=None, rows=asked, settings=settings, **more)
    assert np.array_equal(given[0], found[asked]), "predict must look answers up as they are kept"


def _check_labels(answers: Callable[..., np.ndarray], y: np.ndarray, rows: np.ndarray, classes: int) -> None:
    """Labels of other rows than its own do not change a model, and labels that all agree give a sound one."""
    other = y.copy()
    other[np.setdiff1d(np.arange(300), rows)] = 0
    assert np.array_equal(answers(y=y, seed=1, count=280), answers(y=other, seed=1, count=280)), (
        "labels of other rows were read"
    )
    for label in range(classes):
        alone = answers(y=np.full_like(y, label), seed=1, count=280)
        assert np.isfinite(alone).all(), "answers must be finite if all labels agree"


def check_gradient(model: Model, settings: Settings, features: int = FEATURES) -> None:
    """`build` returns a module from (batch, d) to (batch, 1) logits, or (batch, C), that the engine can train, score and store."""
    for classes in (2, MORE_CLASSES) if model.classes is None else (model.classes,):
        check_module(model, settings, features, classes)


def check_module(model: Model, settings: Settings, features: int, classes: int) -> None:
    """`check_gradient` for one number of classes."""
    import torch

    from ..engine.architecture import Form

    form = Form(model.shape(features, settings), classes)
    form.check(features)
    more = {} if classes == 2 or model.classes is not None else {"classes": classes}
    build = functools.partial(model.build, features, settings, **more)
    modules = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        modules.append(build().eval())
    module, twin, _ = modules
    for name, one in module.named_parameters():
        assert not isinstance(one, torch.nn.parameter.UninitializedParameter), (
            f"parameter {name} is lazy: give its shape"
        )
        assert one.dtype == torch.float32, f"parameter {name} must be float32"
    x = form.shaped(torch.linspace(-2, 2, 5 * features).reshape(5, features))
    check_scoring(module, twin, x, form)
    sides = model.sides(features, settings, **more)
    if sides is None:
        check_alone(build, features, form)
    else:
        check_chain(module, build, sides)
    if (net := model.net(features, settings, classes)) is not None:
        check_net(module, build, net)
    torch.manual_seed(0)
    module.train()(x.clone()).sum().backward()
    for name, one in module.named_parameters():
        assert one.grad is not None or not one.requires_grad, f"no gradient reaches parameter {name}: freeze it"


def check_scoring(module: nn.Module, twin: nn.Module, x: torch.Tensor, form: Form) -> None:
    """In eval mode the logits of x (B, ...) are sound, each of its row alone, and equal to those of `twin`, built with the same seed."""
    import torch

    with torch.no_grad():
        logits = module(x.clone())
        wanted = (len(x), form.outputs)
        assert logits.shape == wanted, f"logits must be (batch, {form.outputs}), not {tuple(logits.shape)}"
        assert torch.isfinite(logits).all(), "logits must be finite"
        assert torch.equal(logits, module(x.clone())), "in eval mode a module must draw nothing at random"
        assert torch.equal(logits, twin(x.clone())), "the same seed must give the same weights"
        try:
            alone = torch.cat([module(row[None].clone()) for row in x])
        except Exception as error:
            raise AssertionError("in eval mode a batch of one row must work") from error
        # such scores would depend on which other points are asked
        assert torch.allclose(logits, alone, atol=1e-5), "in eval mode a row's logit must depend on that row alone"


def check_chain(module: nn.Module, build: Callable[[], nn.Module], sides: tuple[int, ...]) -> None:
    """`build` makes the chain that `sides` tells of, with torch's own initial weights."""
    from ..engine.fit import Chain, Module, form_of, initial_weights
    from ..engine.stack import sides_of

    assert sides_of(module, sides[-1]) == sides, "`build` does not make the chain that `sides` tells of"
    own = Module(build, form_of(Chain(sides)))
    built, usual = (initial_weights(one, np.arange(3)) for one in (own, Chain(sides)))
    assert np.array_equal(built, usual), (
        "`build` has initial weights of its own: then leave out `sides`, which stands for torch's defaults"
    )


def check_net(module: nn.Module, build: Callable[[], nn.Module], net: ConvNet | Dense) -> None:
    """`build` makes the net that `dense`, or `channels` and `shape`, tell of, with torch's own initial weights."""
    from ..engine.architecture import Module
    from ..engine.fit import initial_weights

    assert str(module) == str(net()), "`build` does not make the net that `dense`, or `channels` and `shape`, tell of"
    built, usual = (initial_weights(one, np.arange(3)) for one in (Module(build, net.form), net))
    assert np.array_equal(built, usual), (
        "`build` has initial weights of its own: then leave out `dense` or `channels`, which stand for torch's defaults"
    )


def check_alone(build: Callable[[], nn.Module], features: int = FEATURES, form: Form | None = None) -> None:
    """Training another module than a chain depends on the model's seed alone, and all that is learnt is stored."""
    import random

    import torch

    from ..engine.architecture import BINARY, Module
    from ..engine.fit import Table, Training, fit
    from ..engine.single import SingleStack, built, initial

    form = form or BINARY
    rng = generator("contract", "module")
    table = Table.of(rng.normal(size=(200, features)), rng.integers(0, form.classes, 200), rng.integers(0, 2, 200))
    rows, seeds = np.stack([rng.permutation(200)[:64] for _ in range(3)]), np.arange(3)
    training, found = Training(epochs=1, batch=32, learning_rate=1e-2, validation=0.0), []
    state = np.random.get_state(), random.getstate(), torch.get_rng_state()  # noqa: NPY002
    try:
        for seed, cut in ((0, slice(0, 3)), (1, slice(2, 3))):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            torch.manual_seed(seed)
            found.append(fit(Module(build, form), table, rows[cut], seeds[cut], training).weights[-1])
    finally:
        np.random.set_state(state[0])  # noqa: NPY002
        random.setstate(state[1])
        torch.set_rng_state(state[2])
    assert np.array_equal(found[0], found[1]), (
        "training must draw from torch's generator alone, and know of no other model"
    )
    weights, x = torch.from_numpy(initial(build, seeds[:1])), torch.from_numpy(table.x[:32])
    single, fresh = SingleStack(built(build), form), SingleStack(built(build), form)
    single.load(weights, training=True)
    for step in range(3):
        single.forward(weights, x.clone()[None] + step)
    single.save(weights)
    fresh.load(weights, training=False)
    with torch.no_grad():
        kept = torch.equal(*(one.eval()(form.shaped(x.clone())) for one in (single.module, fresh.module)))
    assert kept, "what a module learns must be in its parameters or in buffers that its state dict holds"


def check_model(model: Model, *, settings: Settings | None = None, features: int = FEATURES) -> None:
    """Raise AssertionError if `model` breaks the contract. settings: by default the plugin's defaults; features: of the made-up records, as
    many as an input of the model's shape has numbers."""
    check_names(model)
    check_imports(model)
    settings = settings or model.Settings()
    if model.generates:
        from .generators import check_generator

        check_generator(model, settings)
    elif model.tabled:
        check_tabled(model, settings, features)
    elif model.gradient:
        check_gradient(model, settings, features)
    else:
        check_closed_form(model, settings)
