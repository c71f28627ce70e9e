"""The benchmark of training, at a toy size: its three ways train the same models, and its table says so."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from popleak import store
from popleak.engine.fit import Training

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "training.py"
TOY = "70x5/8x4/16"  # 70 rows: the last batch of an epoch is smaller


@pytest.fixture(scope="module")
def training():
    spec = importlib.util.spec_from_file_location("benchmark_training", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_ways_give_equal_weights(training):
    """In double precision, where rounding does not blur it: same rows, initial weights, batches and updates."""
    shape = training.Shape.parse(TOY)
    build, table, rows = training.problem(shape, 3, torch.float64)
    settings = Training(epochs=4, batch=shape.batch, learning_rate=0.01, validation=0.0)
    weights = {name: way(build, table, rows, settings) for name, way in training.WAYS.items()}
    untrained = training.stacked(build, table, rows, settings.model_copy(update={"epochs": 0}))
    assert np.abs(weights["careful"] - untrained).max() > 0.01
    for name in ("loader", "stacked"):
        np.testing.assert_allclose(weights[name], weights["careful"], rtol=0, atol=1e-10, err_msg=name)


def test_command(training, tmp_path):
    path = tmp_path / "training.parquet"
    counts = ["--epochs", "2", "--repeats", "1", "--loop-models", "2", "--stacked-models", "3"]
    command = [sys.executable, SCRIPT, "--shapes", TOY, *counts, "--output", path]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"{TOY}, 1 ") == 3
    table = store.read(path, stage="benchmark")
    assert table.schema.names == training.SCHEMA.names
    frame = table.to_pandas().set_index("way")
    assert frame["models"].to_dict() == {"loader": 2, "careful": 2, "stacked": 3}
    assert frame["max_weight_difference"].max() < 1e-5
    assert (frame[["cpu_seconds_per_model", "peak_memory_mb", "share_of_sgemm"]] > 0).all(axis=None)
    assert (frame["share_of_sgemm"] < 1).all()


def test_flop_of_one_hidden_layer(training):
    """Per row: x W and v h forward, their weights' gradients, and the hidden layer's; 2 for a multiply-add."""
    assert training.Shape(7, 5, (3,), 2).flop(epochs=2) == 2 * 7 * (2 * (15 + 3) + 2 * (15 + 3) + 2 * 3)


@pytest.mark.parametrize("text", ["", "70x5", "70x5/8x/16", "70x5/8x4/16/2"])
def test_shape_refuses_other_text(training, text):
    with pytest.raises(ValueError, match="a shape reads"):
        training.Shape.parse(text)
