"""The same models in JAX, the strongest rival of the engine that we know: a whole epoch is one compiled call, a scan over its
batches, for all models: side by side (`vmap`) or one after another (`map`)."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from popleak.engine.fit import Chain, ConvNet, Feed, Table, Training, form_of, hold_out, initial_weights

Layers = list[tuple[jax.Array, jax.Array]]
"""Of each layer, a model's or all models': weight (..., in, out), of a convolution (..., out, in, 3, 3), and bias (..., out)."""


def shapes_of(build: Chain | ConvNet) -> list[tuple[int, ...]]:
    """Return the shape of each layer's weight as the engine keeps it."""
    if isinstance(build, Chain):
        return [(out, into) for into, out in itertools.pairwise(build.sides)]
    given = (build.shape[0], *build.channels)
    return [*((out, into, 3, 3) for into, out in itertools.pairwise(given)), build.sides[::-1]]


def layers(weights: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> Layers:
    """Return the layers of weights (K, P), in the engine's order."""
    found, at = [], 0
    for shape in shapes:
        size, out = math.prod(shape), shape[0]
        matrix, bias = np.split(weights[:, at : at + size + out], [size], axis=1)
        matrix = matrix.reshape(-1, *shape)
        found.append((jnp.array(matrix.transpose(0, 2, 1) if len(shape) == 2 else matrix), jnp.array(bias)))
        at += size + out
    return found


def flat(found: Layers) -> np.ndarray:
    """Return the weights (K, P) of `layers`."""
    parts = [
        (np.asarray(matrix).transpose(0, 2, 1) if matrix.ndim == 3 else np.asarray(matrix), np.asarray(bias))
        for matrix, bias in found
    ]
    return np.concatenate([part.reshape(len(part), -1) for pair in parts for part in pair], axis=1)


def block(x: jax.Array, matrix: jax.Array, bias: jax.Array) -> jax.Array:
    """Return images x (B, C, H, W) after a convolution, ReLU and pooling."""
    x = jax.lax.conv_general_dilated(x, matrix, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
    x = jax.nn.relu(x + bias[:, None, None])
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def loss(model: Layers, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the binary cross-entropy of one model on a batch x (B, d), or (B, C, H, W), and y (B,)."""
    for matrix, bias in model[:-1]:
        x = block(x, matrix, bias) if matrix.ndim == 4 else jax.nn.relu(x @ matrix + bias)
    matrix, bias = model[-1]
    logits = (x.reshape(len(x), -1) @ matrix + bias)[:, 0]
    return jnp.mean(jax.nn.softplus(logits) - y * logits)


def step(state: tuple[Layers, Layers, Layers], index: jax.Array, rates: tuple, x: jax.Array, y: jax.Array):
    """Take one step of Adam on rows `index` of the table; rates: the step's rate and root, as the engine has them."""
    model, first, second = state
    (rate, root), every = rates, jax.tree.map
    slope = jax.grad(loss)(model, x[index], y[index])
    first = every(lambda m, g: m + 0.1 * (g - m), first, slope)
    second = every(lambda v, g: 0.999 * v + 0.001 * g * g, second, slope)
    model = every(lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + 1e-8), model, first, second)
    return model, first, second


@jax.jit(static_argnames=("how", "batch"), donate_argnames="state")
def epoch(state, order: jax.Array, rates: jax.Array, x: jax.Array, y: jax.Array, *, how: str, batch: int):
    """Train models on rows order (K, n) of the table x (N, d), y (N,) and return their state.

    rates (steps, 2): of each step, as in `step`; how: `vmap` or `map`.
    """
    whole = order.shape[1] // batch

    def one(state, order):
        def take(state, batch_of):
            index, (rate, root) = batch_of
            return step(state, index, (rate, root), x, y), None

        state, _ = jax.lax.scan(take, state, (order[: whole * batch].reshape(whole, batch), rates[:whole]))
        if whole * batch < len(order):  # the last batch is smaller
            state, _ = take(state, (order[whole * batch :], rates[whole]))
        return state

    return jax.vmap(one)(state, order) if how == "vmap" else jax.lax.map(lambda pair: one(*pair), (state, order))


def train(build: Chain | ConvNet, table: Table, rows: np.ndarray, training: Training, how: str) -> np.ndarray:
    """Return weights (K, P) of models of these rows (K, n), their seeds 0, 1, ..., in the precision of the table."""
    dtype, seeds = table.x.dtype, np.arange(len(rows))
    feed = Feed(hold_out(rows, seeds, 0.0)[0], seeds, training, None, "base")
    weights = initial_weights(build, seeds, dtype)
    with jax.enable_x64(True) if dtype == np.float64 else contextlib.nullcontext():
        shape = form_of(build).shape
        x = jnp.array(table.x if shape is None else table.x.reshape(-1, *shape))
        y = jnp.array(table.y.astype(dtype))
        model = layers(weights, shapes_of(build))
        state = model, *(jax.tree.map(jnp.zeros_like, model) for _ in range(2))
        for done in range(training.epochs):
            taken = np.arange(1, feed.steps + 1) + done * feed.steps
            rates = training.learning_rate / (1 - 0.9**taken), np.sqrt(1 - 0.999**taken)
            order = feed.epoch()[0].astype(np.int32)
            state = epoch(state, order, np.stack(rates, axis=1).astype(dtype), x, y, how=how, batch=feed.batch)
        return flat(state[0])
