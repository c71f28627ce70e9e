"""Small worlds and modules for tests of what training can be asked for: two classes and four, rows of features and images."""

from __future__ import annotations

import numpy as np
from torch import nn

import plain_loop
from popleak.core.seeds import derive, generator
from popleak.engine.fit import Chain, Form, Module, Objective, Table, Training, last_layer
from popleak.engine.stack import VmapStack

N, SIDE, MODELS, ROWS = 600, 12, 3, 96
TRAINING = Training(epochs=3, batch=32, learning_rate=2e-3, weight_decay=0.01, validation=0.1)
RNG = np.random.default_rng(11)
A = RNG.integers(0, 2, N)
LABELS = {2: RNG.integers(0, 2, N), 4: RNG.integers(0, 4, N)}
IMAGES = RNG.normal(size=(N, SIDE * SIDE)) + LABELS[4][:, None] * np.linspace(-0.3, 0.3, SIDE * SIDE)
FEATURES = 13
X = IMAGES[:, :FEATURES] + 0.4 * A[:, None]
SEEDS = np.array([derive(9, "objective", k) for k in range(MODELS)])
DRAWN = np.stack([generator(int(seed), "rows").choice(N, ROWS, replace=False) for seed in SEEDS])
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-9}


def conv(classes: int):
    """A small convolution net on images of one colour."""
    return lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.Tanh(), nn.Flatten(),
        nn.Linear(6 * 16, 1 if classes == 2 else classes),
    )  # fmt: skip


def smooth(classes: int):
    return lambda: nn.Sequential(
        nn.Linear(FEATURES, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 1 if classes == 2 else classes)
    )


def made(kind: str, classes: int):
    if kind == "chain":
        return Chain((FEATURES, 9, 5, 1 if classes == 2 else classes))
    if kind == "image":
        return Module(conv(classes), Form((1, SIDE, SIDE), classes))
    return Module(smooth(classes), Form(classes=classes))


def table(kind: str, classes: int, dtype=np.float64) -> Table:
    return Table.of(IMAGES if kind == "image" else X, LABELS[classes], A, dtype)


def targets(what: str, classes: int) -> np.ndarray:
    rng = generator("targets", what, classes)
    if what == "hard":
        return rng.integers(0, classes, DRAWN.shape)
    if classes == 2:
        return rng.random(DRAWN.shape)
    return rng.dirichlet(np.ones(classes), DRAWN.shape)


def objective(what: str, classes: int, make) -> Objective | None:
    clip = {"clip": 0.3, "noise": 0.0}
    return {
        "plain": None,
        "weights": Objective(weights=generator("weights").exponential(size=DRAWN.shape)),
        "hard targets": Objective(targets=targets("hard", classes)),
        "soft targets": Objective(targets=targets("soft", classes)),
        "mask": Objective(mask=last_layer(make)),
        "clip": Objective(**clip),
        "clip and noise": Objective(clip=0.3, noise=0.7),
        "ascent": Objective(weights=np.where(generator("signs").random(DRAWN.shape) < 0.3, -0.5, 1.0)),
        "l1": Objective(l1=0.02),
        "poisson": Objective(clip=0.3, noise=0.7, poisson=True),
        "all": Objective(
            targets("soft", classes), generator("w").random(DRAWN.shape), last_layer(make), 0.2, 0.5, l1=0.01
        ),
        "all, poisson": Objective(
            targets("soft", classes), generator("w").random(DRAWN.shape), last_layer(make), 0.2, 0.5, True, 0.01
        ),
    }[what]


WHAT = (
    "plain", "weights", "ascent", "hard targets", "soft targets", "mask", "l1", "clip", "clip and noise", "poisson", "all",
    "all, poisson",
)  # fmt: skip


def through_vmap(patch, most: int = 3) -> None:
    """Stack modules on the CPU as on a GPU, `most` at a time."""
    patch.setattr("popleak.engine.stacked.Stacked.stack", lambda self, *_: most)
    patch.setattr("popleak.engine.stacked.stack_for", lambda module, x, device, form: VmapStack(module, form))


def largest(make, data, fitted, aim, **more) -> float:
    alone = [plain_loop.train(make, data, DRAWN[k], SEEDS[k], TRAINING, aim, model=k, **more) for k in range(MODELS)]
    return max(np.abs(one - fitted.weights[k, : len(one)]).max() for k, one in enumerate(alone))
