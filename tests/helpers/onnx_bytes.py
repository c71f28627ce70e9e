"""ONNX files written byte by byte, so that tests need no library that writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FLOAT, INT32, INT64, STRING, BOOL = 1, 6, 7, 8, 9


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _many(number: int, values: Sequence[int | str | bytes]) -> bytes:
    return b"".join(_field(number, value) for value in values)


def _tensor(name: str, values: np.ndarray) -> bytes:
    raw = np.ascontiguousarray(values, dtype="<f4")
    return _many(1, raw.shape) + _field(2, FLOAT) + _field(8, name) + _field(9, raw.tobytes())


def _value(name: str, kind: int, width: int) -> bytes:
    shape = _field(1, _field(2, "n")) + _field(1, _field(1, width))
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _node(op: str, inputs: Sequence[str], output: str) -> bytes:
    return _many(1, inputs) + _field(2, output) + _field(4, op)


def _attribute(name: str, values: int | Sequence[str]) -> bytes:
    if isinstance(values, int):
        return _field(5, _field(1, name) + _field(3, values) + _field(20, 2))
    return _field(5, _field(1, name) + _many(9, values) + _field(20, 8))


def _model(nodes: Sequence[bytes], tensors: Mapping[str, np.ndarray], inputs: Sequence[bytes], output: bytes) -> bytes:
    graph = _many(1, nodes) + _field(2, "graph")
    graph += _many(5, [_tensor(name, values) for name, values in tensors.items()])
    graph += _many(11, inputs) + _field(12, output)
    return (
        _field(1, 8)
        + _field(7, graph)
        + _field(8, _field(1, "") + _field(2, 17))
        + _field(8, _field(1, "ai.onnx.ml") + _field(2, 1))
    )


def logistic(weights: np.ndarray, bias: float, *, last: str = "Sigmoid") -> bytes:
    """Return a model of one matrix x (n, d): `last` of x @ weights + bias, (n, 1), under the name `probabilities`."""
    nodes = [
        _node("MatMul", ["x", "w"], "xw"),
        _node("Add", ["xw", "b"], "logit"),
        _node(last, ["logit"], "probabilities"),
    ]
    tensors = {"w": np.asarray(weights)[:, None], "b": np.array([bias])}
    return _model(nodes, tensors, [_value("x", FLOAT, len(weights))], _value("probabilities", FLOAT, 1))


def of_columns(weights: Mapping[str, float]) -> bytes:
    """Return a model with an input (n, 1) for each column: the sigmoid of their weighted sum."""
    nodes, tensors = [], {}
    for name, weight in weights.items():
        tensors[f"w_{name}"] = np.array([weight])
        nodes.append(_node("Mul", [name, f"w_{name}"], f"part_{name}"))
    nodes += [_node("Sum", [f"part_{name}" for name in weights], "logit"), _node("Sigmoid", ["logit"], "probabilities")]
    return _model(nodes, tensors, [_value(name, FLOAT, 1) for name in weights], _value("probabilities", FLOAT, 1))


def of_kinds(kinds: Mapping[str, int]) -> bytes:
    """Return a model with an input (n, 1) of a type for each column: the sigmoid of the sum of what they are as numbers."""
    nodes = []
    for name in kinds:
        nodes.append(_node("Cast", [name], f"number_{name}") + _attribute("to", FLOAT))
    nodes += [_node("Sum", [f"number_{name}" for name in kinds], "logit"), _node("Sigmoid", ["logit"], "probabilities")]
    return _model(nodes, {}, [_value(name, kind, 1) for name, kind in kinds.items()], _value("probabilities", FLOAT, 1))


def named(weights: np.ndarray, classes: Sequence[str]) -> bytes:
    """Return a model of one matrix that answers a dictionary for each row: the last of two classes has the sigmoid of x @ weights."""
    nodes = [
        _node("MatMul", ["x", "w"], "logit"),
        _node("Sigmoid", ["logit"], "last"),
        _node("Sub", ["one", "last"], "first"),
        _node("Concat", ["first", "last"], "both") + _attribute("axis", 1),
        _node("ZipMap", ["both"], "probabilities")
        + _attribute("classlabels_strings", classes)
        + _field(7, "ai.onnx.ml"),
    ]
    row = _field(5, _field(1, STRING) + _field(2, _field(1, _field(1, FLOAT))))
    output = _field(1, "probabilities") + _field(2, _field(4, _field(1, row)))
    tensors = {"w": np.asarray(weights)[:, None], "one": np.array([1.0])}
    return _model(nodes, tensors, [_value("x", FLOAT, len(weights))], output)
