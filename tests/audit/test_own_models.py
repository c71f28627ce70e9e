"""Models of one's own from files: what is opened, what is refused, and what they answer."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import lzma
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import onnx_bytes
from popleak.audit import own_labels, own_models
from popleak.audit.own_files import kind_of, opened
from popleak.audit.own_models import OwnModel, answers, taken
from popleak.core.errors import PopleakError

FEATURES = ("age", "hours", "job=clerk", "job=smith")
COLUMNS = ("age", "hours", "job", "sex")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, 40),
        "hours": RNG.integers(1, 60, 40),
        "job": ["clerk", "smith"] * 20,
        "sex": ["f", "m"] * 20,
    }
)


class Opens:
    """What a pickle may do when it is opened."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def put(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


def zipped(**members):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return whole.getvalue()


EVIL = pickle.dumps(Opens())


@pytest.mark.parametrize(
    "name, data",
    [
        ("model.pkl", EVIL),
        ("model.joblib", EVIL),
        ("model.skops", EVIL),
        ("model.onnx", EVIL),
        ("model.safetensors", EVIL),
        ("model", EVIL),
        ("old.pkl", pickle.dumps(Opens(), protocol=0)),  # text, which no byte tells from other text
        ("small.joblib", gzip.compress(EVIL)),
        ("small.skops", zlib.compress(EVIL)),
        ("small", bz2.compress(EVIL)),
        ("small.onnx", lzma.compress(EVIL)),
        ("model.pt", zipped(**{"archive/data.pkl": EVIL})),
        ("model.skops", zipped(**{"archive/data.pkl": EVIL})),
    ],
    ids=lambda one: (
        one if isinstance(one, str) else ""
    ),  # gzip holds the time: an id of its bytes is another in each process
)
def test_a_pickle_is_opened_under_no_name_and_the_way_out_is_said(tmp_path, name, data):
    with pytest.raises(PopleakError, match=r"so it is not opened: .*skops\.io\.dump.*safetensors.*ONNX") as told:
        opened(put(tmp_path, name, data))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"x,y", zipped(readme="x"), pickle.dumps(Opens(), protocol=0)], ids=range(5)
)
def test_what_is_no_model_is_refused(tmp_path, data):
    with pytest.raises(PopleakError, match="is no model of skops, ONNX or safetensors"):
        kind_of(put(tmp_path, "model", data))


class Given(OwnModel):
    kind = "given"

    def __init__(self, found, names=None, columns=None, width=None, path="m.skops"):
        super().__init__(path, columns, width)
        self.found, self.names, self.seen = np.asarray(found, dtype=float), names, None

    def ask(self, given):
        self.seen = given
        return self.found

    def class_names(self):
        return self.names


@pytest.mark.parametrize(
    "columns, width, takes, used",
    [
        (None, 4, None, "features"),
        (("hours", "age", "job"), None, None, "columns"),
        (("age", "job=smith"), None, None, "features"),
        (("age", "hours"), None, "columns", "columns"),
        (("age", "hours"), None, "features", "features"),
    ],
)
def test_names_say_what_a_model_takes(columns, width, takes, used):
    assert taken(Given([], columns=columns, width=width), FEATURES, COLUMNS, takes) == used


@pytest.mark.parametrize(
    "columns, width, table, takes, told",
    [
        (("age", "hours"), None, COLUMNS, None, "say which with --takes"),
        (("age", "income", "zip"), None, COLUMNS, None, "not among the columns of the table: 'income', 'zip'"),
        (("age", "income"), None, None, None, "not among the encoded features: 'income'"),
        (None, 3, COLUMNS, None, "takes 3 numbers without names, and a record has 4 encoded features"),
        (None, 5, COLUMNS, None, "if its last one is the group, set `attribute_in_features: true`"),
        (None, 4, COLUMNS, "columns", "takes 4 numbers without names"),
        (("age",), None, None, "columns", "has no table of your own"),
    ],
)
def test_columns_that_are_not_there_are_named(columns, width, table, takes, told):
    with pytest.raises(PopleakError, match=told):
        taken(Given([], columns=columns, width=width), FEATURES, table, takes)


def test_columns_are_given_by_name_in_the_models_own_order():
    model = Given(np.full(40, 0.5), columns=("hours", "age"))
    answers(model, "columns", X, FEATURES, FRAME, ("0", "1"))
    assert list(model.seen.columns) == ["hours", "age"] and (model.seen["age"] == FRAME["age"]).all()
    answers(model, "features", X, FEATURES, None, ("0", "1"))
    assert np.array_equal(model.seen["age"], X[:, 0]) and np.array_equal(model.seen["hours"], X[:, 1])


TWO = np.column_stack([np.full(40, 0.2), np.full(40, 0.8)])


@pytest.mark.parametrize(
    "names, positive, score",
    [
        ([0, 1], None, 0.8), ([False, True], None, 0.8), ([1.0, 0.0], None, 0.2), ([-1, 1], None, 0.8),
        (["no", "yes"], "yes", 0.8), (["no", "yes"], "no", 0.2), (None, None, 0.8),
    ],
)  # fmt: skip
def test_the_score_is_that_of_the_class_that_is_y_1(names, positive, score):
    found = answers(Given(TWO, names), "features", X, FEATURES, None, ("0", "1"), positive)
    assert (found == score).all()


@pytest.mark.parametrize(
    "names, positive, negative, score",
    [
        ([1, 2], (2,), ("1",), 0.8), ([1, 2], (1,), ("2",), 0.2), ([1.0, 2.0], ("2",), ("1",), 0.8),
        ([0, 1], ("1.0",), ("0",), 0.8), ([0, 1], (2,), ("1",), 0.8),
        (["no", "yes"], ("no", "No"), ("yes",), 0.2), ([0, 1], ("yes",), ("no",), 0.8), ([False, True], ("yes",), (), 0.8),
        ([False, True], ("true",), ("false",), 0.8), ([0, 1], (True,), ("False",), 0.8),
        ([0, 1], ("> 50000",), (), 0.8), ([0, 1], (1, 2), ("0",), 0.8), ([0, 1], (1,), ("0", "2"), 0.8),
    ],
)  # fmt: skip
def test_the_tables_values_of_y_1_choose_the_class(names, positive, negative, score):
    label = own_labels.of({"positive": positive}, {"facts": {"label_values": {"0": dict.fromkeys(negative, 9)}}})
    found = answers(Given(TWO, names), "features", X, FEATURES, None, ("0", "1"), None, label)
    assert (found == score).all()


@pytest.mark.parametrize(
    "names, positive, negative",
    [
        ([0, 1], 1, "2"), ([0, 1], 0, "2"), ([0, 1], False, "True"), ([False, True], 0, "1"), ([1, 2], "yes", "no"),
        (["a", "b"], ("a", "b"), "c"), (["low", "high"], "> 5", "1"),
    ],
)  # fmt: skip
def test_a_class_that_may_be_either_is_to_be_named(names, positive, negative):
    label = own_labels.of({"positive": positive}, {"facts": {"label_values": {"0": {negative: 9}}}})
    with pytest.raises(PopleakError, match=r"name the one .*that is y = 1 with --positive"):
        answers(Given(TWO, names), "features", X, FEATURES, None, ("0", "1"), None, label)
    chosen = answers(Given(TWO, names), "features", X, FEATURES, None, ("0", "1"), str(names[1]), label)
    assert (chosen == 0.8).all()


def test_values_that_are_too_many_to_list_are_no_value():
    assert own_labels.of({"positive": 1}, {"facts": {"label_values": {"0": {"31 values": 9}}}}).negative == ()


@pytest.mark.parametrize("names, classes", [(None, ("0", "1")), (["a", "b", "c"], ("a", "b", "c"))])
def test_a_class_that_cannot_be_looked_up_is_refused(names, classes):
    found = np.full((40, len(classes)), 1 / len(classes))
    with pytest.raises(PopleakError, match=r"--positive 'nonsense': .*leave it out"):
        answers(Given(found, names), "features", X, FEATURES, None, classes, "nonsense")


@pytest.mark.parametrize(
    "found, names, classes, told",
    [
        (TWO, ["no", "yes"], ("0", "1"), "name the one of two that is y = 1 with --positive"),
        (np.full((40, 3), 1 / 3), None, ("0", "1"), "answers 40 x 3 numbers to 40 rows, and the label has 2 classes"),
        (np.full((39, 1), 0.5), None, ("0", "1"), "answers 39 x 1 numbers to 40 rows"),
        (TWO, [0, 1], ("a", "b", "c"), "the label has 3 classes"),
        (np.full(40, np.nan), None, ("0", "1"), "answers no number to query row 1"),
        (np.full(40, 3.0), None, ("0", "1"), "are no probabilities"),
        (np.full((40, 2), 0.8), [0, 1], ("0", "1"), "are no probabilities"),
        (np.ones((40, 1)), [1], ("0", "1"), "tells '1' apart: name the one of two"),
        (np.full((40, 3), 1 / 3), ["a", "b", "z"], ("a", "b", "c"), "tells 'a', 'b', 'z' apart"),
    ],
)
def test_answers_that_are_none_are_refused(found, names, classes, told):
    with pytest.raises(PopleakError, match=told):
        answers(Given(found, names), "features", X, FEATURES, None, classes)


def test_more_classes_come_in_the_order_of_the_label():
    found = np.tile([0.1, 0.2, 0.7], (40, 1))
    given = answers(Given(found, ["c", "a", "b"]), "features", X, FEATURES, None, ("a", "b", "c"))
    assert given[0].tolist() == [0.2, 0.7, 0.1]


def test_what_a_strangers_preprocessing_raises_becomes_one_line():
    class Breaks(Given):
        def ask(self, given):
            raise KeyError("two\nlines")

    with pytest.raises(PopleakError, match=r"cannot answer the query rows \(KeyError: 'two.nlines'\)"):
        answers(Breaks([]), "features", X, FEATURES, None, ("0", "1"))


def test_a_library_that_is_not_there_is_named_with_the_extra(tmp_path):
    with pytest.raises(PopleakError, match=r"pip install 'popleak\[audit\]'"):
        own_models.library("no_such_library.io", tmp_path / "m.skops")


# --- skops


def dumped(folder, model, name="m.skops"):
    io_of = pytest.importorskip("skops.io")
    path = folder / name
    io_of.dump(model, path)
    return path


def forest(**params):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**{"n_estimators": 4, "random_state": 0, **params})


def test_an_estimator_of_features_answers_as_scikit_learn_does(tmp_path):
    model = forest(max_depth=3).fit(X, Y)
    found = opened(dumped(tmp_path, model))
    assert taken(found, FEATURES, COLUMNS, None) == "features"
    given = answers(found, "features", X, FEATURES, None, ("0", "1"))
    assert np.allclose(given, model.predict_proba(X)[:, 1])
    assert found.choice() == {
        "name": "estimator",
        "settings": {"estimator": "RandomForestClassifier", "params": {"n_estimators": 4, "max_depth": 3}},
    }


def test_every_classifier_of_the_closed_list_can_be_opened_and_proposed(tmp_path):
    from popleak.models import _estimators

    pytest.importorskip("skops.io")
    for name in _estimators.ESTIMATORS:
        params = {"max_iter": 20} if name == "MLPClassifier" else {}
        model = _estimators.built(name, params, 1)
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, Y)
        found = opened(dumped(tmp_path, model, f"{name}.skops"))
        assert np.allclose(answers(found, "features", X, FEATURES, None, ("0", "1")), model.predict_proba(X)[:, 1])
        assert found.choice()["settings"] == {"estimator": name, "params": params}


def test_a_pipeline_takes_the_tables_own_columns(tmp_path):
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    steps = ColumnTransformer([("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["job", "sex"])])
    words = np.where(Y == 1, "yes", "no")
    used = FRAME[["age", "job", "sex"]]
    model = make_pipeline(steps, forest()).fit(used, words)
    found = opened(dumped(tmp_path, model))
    assert taken(found, FEATURES, COLUMNS, None) == "columns"
    given = answers(found, "columns", X, FEATURES, FRAME, ("0", "1"), "yes")
    assert np.allclose(given, model.predict_proba(used)[:, 1])


def test_a_type_that_is_not_trusted_is_named_and_not_opened(tmp_path):
    path = dumped(tmp_path, _with(onnx_bytes.logistic))
    with pytest.raises(PopleakError, match=r"types that are not trusted, so it is not opened: onnx_bytes\.logistic"):
        opened(path)


def _with(function):
    """A pipeline that holds a function of this project's tests; it is never called."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    return Pipeline([("own", FunctionTransformer(function)), ("last", forest().fit(X, Y))])


def test_what_is_no_classifier_is_refused(tmp_path):
    from sklearn.linear_model import LinearRegression
    from sklearn.svm import LinearSVC

    for model, remedy in (
        (LinearRegression().fit(X, Y), "train a classifier"),
        (LinearSVC().fit(X, Y), "Calibrated"),
        (forest(), "fit it"),
    ):
        with pytest.raises(PopleakError, match=f"is no fitted classifier with predict_proba: .*{remedy}"):
            opened(dumped(tmp_path, model))


def test_a_classifier_that_shadows_cannot_be_is_said(tmp_path):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    with pytest.raises(PopleakError, match="is none of the classifiers that shadows can be"):
        opened(dumped(tmp_path, LinearDiscriminantAnalysis().fit(X, Y))).choice()
    with pytest.raises(PopleakError, match=r"its shadows cannot be trained alike: .*monotonic_cst"):
        opened(dumped(tmp_path, forest(monotonic_cst=[1, 0, 0, 0]).fit(X, Y))).choice()


def test_a_tree_that_points_beyond_itself_is_refused(tmp_path):
    path = dumped(tmp_path, forest(n_estimators=1).fit(X, Y))
    damaged = tmp_path / "damaged.skops"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(".npy") and b"left_child" in data[:300]:
                nodes = np.load(io.BytesIO(data))
                nodes["left_child"][0] = 10_000
                whole = io.BytesIO()
                np.save(whole, nodes)
                data = whole.getvalue()
            new.writestr(name, data)
    with pytest.raises(PopleakError, match="does not have: the file is damaged"):
        opened(damaged)


def _of(kind, **params):
    """Return a fitted classifier of three columns of numbers and one of codes."""
    x = X.copy()
    x[:, 3] = np.arange(40) % 3
    model = kind(**params).fit(x, np.arange(40) % 3 == 1 if "categorical_features" in params else Y ^ (X[:, 1] > 0))
    if "categorical_features" in params:
        model._preprocessor = None  # it holds functions, so such a file is not opened
    return model


def _places(model, **changed):
    names = ("data", "idx_array", "node_data", "node_bounds", "leaf_size", "n_levels", "n_nodes")
    state = list(model._tree.__getstate__())
    for name, change in changed.items():
        place = names.index(name)
        state[place] = change(np.array(state[place]) if place < 4 else state[place])
    model._tree.__setstate__(tuple(state))


def _set(values, place, value):
    values[place] = value
    return values


def _node(field, value, row=0):
    return lambda model: _set(model._predictors[0][0].nodes[field], row, value)


def _moved(field, value):
    return lambda model: _places(model, node_data=lambda nodes: (_set(nodes[field], 0, value), nodes)[1])


def _damages():
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    histograms = {"max_iter": 2, "min_samples_leaf": 3}
    codes = {**histograms, "categorical_features": [3]}
    near = {"leaf_size": 5, "algorithm": "kd_tree"}
    balls = {"leaf_size": 5, "algorithm": "ball_tree"}
    return {
        "column of histograms": (HistGradientBoostingClassifier, histograms, _node("feature_idx", 5000)),
        "negative column": (HistGradientBoostingClassifier, histograms, _node("feature_idx", -1)),
        "child": (HistGradientBoostingClassifier, histograms, _node("left", 5000)),
        "circle": (HistGradientBoostingClassifier, histograms, _circle),
        "set": (HistGradientBoostingClassifier, codes, _node("bitset_idx", 5000)),
        "no codes": (HistGradientBoostingClassifier, codes, lambda m: m._bin_mapper.is_categorical_.fill(False)),
        "code": (HistGradientBoostingClassifier, codes, lambda m: _set(m._bin_mapper.bin_thresholds_[int(np.argmax(m._bin_mapper.is_categorical_))], 0, 9999)),
        "encoder": (HistGradientBoostingClassifier, histograms, lambda m: setattr(m, "_preprocessor", StandardScaler().fit(X[:, :2]))),
        "rows": (KNeighborsClassifier, near, lambda m: _places(m, idx_array=lambda one: _set(one, 0, 10**6))),
        "negative rows": (KNeighborsClassifier, balls, lambda m: _places(m, idx_array=lambda one: _set(one, 0, -1))),
        "end": (KNeighborsClassifier, near, _moved("idx_end", 10**6)),
        "start": (KNeighborsClassifier, balls, _moved("idx_start", -5)),
        "leaf": (KNeighborsClassifier, near, lambda m: _places(m, node_data=lambda one: (_set(one["is_leaf"], -1, 0), one)[1])),
        "bounds": (KNeighborsClassifier, near, lambda m: _places(m, node_bounds=lambda one: np.ascontiguousarray(one[:, :1]))),
        "nodes": (KNeighborsClassifier, near, lambda m: _places(m, n_nodes=lambda one: 8 * one)),
        "class": (KNeighborsClassifier, {"algorithm": "brute"}, lambda m: _set(m._y, 0, 10**6)),
        "columns of a forest": (RandomForestClassifier, {"n_estimators": 2}, lambda m: [setattr(one, "n_features_in_", 9) for one in (m, *m.estimators_)]),
        "columns of a tree": (DecisionTreeClassifier, {}, lambda m: delattr(m, "n_features_in_")),
        "boosting": (GradientBoostingClassifier, {"n_estimators": 2}, lambda m: setattr(m, "estimators_", np.hstack([m.estimators_] * 3))),
        "start of boosting": (GradientBoostingClassifier, {"n_estimators": 2}, _three),
        "vectors": (SVC, {}, lambda m: _set(m._n_support, 0, 10**6)),
    }  # fmt: skip


def _circle(model):
    nodes = model._predictors[0][0].nodes
    last = np.flatnonzero(nodes["is_leaf"] == 0)[-1]
    nodes["left"][last] = last
    assert last > 0


def _three(model):
    """Let trees of three classes add to numbers of one."""
    model.estimators_ = np.hstack([model.estimators_] * 3)
    model.n_trees_per_iteration_, model.classes_ = 3, np.arange(3)


@pytest.mark.parametrize(
    "name",
    [
        "column of histograms", "negative column", "child", "circle", "set", "no codes", "code", "rows", "negative rows", "end", "start",
        "encoder", "leaf", "bounds", "nodes", "class", "columns of a forest", "columns of a tree", "boosting", "start of boosting", "vectors",
    ],
)  # fmt: skip
def test_a_part_that_names_what_is_not_there_is_refused(tmp_path, name):
    from sklearn.svm import SVC

    kind, params, damage = _damages()[name]
    model = _of(kind, **params)
    io_of = pytest.importorskip("skops.io")
    if kind is SVC:
        from sklearn.calibration import CalibratedClassifierCV

        whole = CalibratedClassifierCV(SVC(), ensemble=False).fit(X, Y)
        model = whole.calibrated_classifiers_[0].estimator
    else:
        whole = model
    io_of.dump(whole, tmp_path / "whole.skops")
    opened(tmp_path / "whole.skops")
    damage(model)
    io_of.dump(whole, tmp_path / "damaged.skops")
    with pytest.raises(PopleakError, match=r"the file is damaged: save it again"):
        opened(tmp_path / "damaged.skops")


def test_a_damaged_skops_file_is_refused_in_one_line(tmp_path):
    pytest.importorskip("skops.io")
    with pytest.raises(PopleakError, match="cannot be read as skops"):
        opened(put(tmp_path, "m.skops", zipped(**{"schema.json": json.dumps({"__loader__": "x"})})))


# --- safetensors


def saved(folder, tensors, name="m.safetensors"):
    """A file of safetensors, written byte by byte."""
    head, body = {}, b""
    for key, values in tensors.items():
        raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
        head[key] = {"dtype": "F32", "shape": list(np.shape(values)), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    told = json.dumps(head).encode()
    return put(folder, name, struct.pack("<Q", len(told)) + told + body)


def chain(*sides, before=""):
    rng, found = np.random.default_rng(1), {}
    for i, (into, out) in enumerate(itertools.pairwise(sides)):
        found |= {
            f"{before}{2 * i}.weight": rng.normal(size=(out, into)),
            f"{before}{2 * i}.bias": rng.normal(size=out),
        }
    return found


def by_hand(tensors):
    h = X.astype(np.float64)
    layers = [tensors[key] for key in tensors]
    for i in range(0, len(layers), 2):
        h = h @ layers[i].T + layers[i + 1]
        h = np.maximum(h, 0) if i + 2 < len(layers) else h
    return 1 / (1 + np.exp(-(h[:, 0] if h.shape[1] == 1 else h[:, 1] - h[:, 0])))


@pytest.mark.parametrize("last", [1, 2])
def test_an_mlp_answers_as_its_layers_do(tmp_path, last):
    pytest.importorskip("safetensors")
    tensors = chain(4, 5, 3, last, before="net.")
    found = opened(saved(tmp_path, tensors), widths=[5, 3])
    given = answers(found, taken(found, FEATURES, COLUMNS, None), X, FEATURES, None, ("0", "1"))
    assert np.allclose(given, by_hand(tensors), atol=1e-5)
    assert found.choice() == {"name": "mlp", "settings": {"widths": [5, 3]}}


@pytest.mark.parametrize(
    "tensors, widths, told",
    [
        (chain(4, 5, 1), [6], r"have \[5\] units, not \[6\]"),
        ({**chain(4, 5, 1), "2.weight": np.zeros((1, 7))}, None, "layer 2 takes 7 numbers, and the one before gives 5"),
        ({"0.weight": np.zeros((1, 4))}, None, "layer 1 is no Linear layer"),
        ({"conv": np.zeros((1, 4))}, None, "'conv' is no weight or bias"),
        ({"0.weight": np.full((1, 4), np.nan), "0.bias": np.zeros(1)}, None, "weights that are no numbers"),
    ],
)
def test_tensors_that_are_no_mlp_are_refused(tmp_path, tensors, widths, told):
    pytest.importorskip("safetensors")
    with pytest.raises(PopleakError, match=told):
        opened(saved(tmp_path, tensors), widths=widths)


# --- ONNX


def test_an_onnx_model_of_features_answers_as_its_graph_does(tmp_path):
    pytest.importorskip("onnxruntime")
    weights = np.array([0.5, -1.0, 0.25, 2.0])
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.logistic(weights, 0.1)))
    given = answers(found, taken(found, FEATURES, COLUMNS, None), X, FEATURES, None, ("0", "1"))
    assert np.allclose(given, 1 / (1 + np.exp(-(X @ weights + 0.1))), atol=1e-6)
    with pytest.raises(PopleakError, match="name the shadows' model in `models` of the config yourself"):
        found.choice()


def test_an_onnx_model_of_columns_is_given_them_by_name(tmp_path):
    pytest.importorskip("onnxruntime")
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.of_columns({"hours": 0.1, "age": -0.05})))
    given = answers(found, taken(found, FEATURES, COLUMNS, "columns"), X, FEATURES, FRAME, ("0", "1"))
    assert np.allclose(given, 1 / (1 + np.exp(-(0.1 * FRAME["hours"] - 0.05 * FRAME["age"]))), atol=1e-6)


def test_logits_and_damaged_graphs_are_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.logistic(np.ones(4), 0.0, last="Identity")))
    with pytest.raises(PopleakError, match="are no probabilities: let it end in a sigmoid or softmax"):
        answers(found, "features", X, FEATURES, None, ("0", "1"))
    with pytest.raises(PopleakError, match="cannot be run as ONNX"):
        opened(put(tmp_path, "bad.onnx", b"\x08\x08" + b"x" * 50))


@pytest.mark.parametrize("classes", [("bad", "good"), ("good", "bad")])
def test_an_onnx_model_that_names_its_classes_is_read_by_them(tmp_path, classes):
    pytest.importorskip("onnxruntime")
    weights = np.array([0.5, -1.0, 0.25, 2.0])
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.named(weights, classes)))
    last = 1 / (1 + np.exp(-(X @ weights)))
    for name in classes:
        given = answers(found, "features", X, FEATURES, None, ("0", "1"), None, own_labels.Label((name,)))
        assert np.allclose(given, last if name == classes[1] else 1 - last, atol=1e-6)
    with pytest.raises(PopleakError, match="with --positive"):
        answers(found, "features", X, FEATURES, None, ("0", "1"), "nonsense")


@pytest.mark.parametrize(
    "kind, values, meant",
    [
        (onnx_bytes.INT64, [1, 2, -3], [1, 2, -3]),
        (onnx_bytes.INT64, [1.0, 2.0, -3.0], [1, 2, -3]),
        (onnx_bytes.INT32, pd.array([1, 2, 3], dtype="Int64"), [1, 2, 3]),
        (onnx_bytes.BOOL, ["False", "true", "0"], [0, 1, 0]),
        (onnx_bytes.BOOL, [True, False, True], [1, 0, 1]),
        (onnx_bytes.BOOL, [1.0, 0.0, 1.0], [1, 0, 1]),
        (onnx_bytes.STRING, [1.0, 2.50, 3.0], [1, 2.5, 3]),
        (onnx_bytes.STRING, ["1", "0", "-1"], [1, 0, -1]),
        (onnx_bytes.FLOAT, [1.5, True, -0.5], [1.5, 1, -0.5]),
    ],
)
def test_a_column_is_given_in_the_type_of_the_input(tmp_path, kind, values, meant):
    pytest.importorskip("onnxruntime")
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.of_kinds({"age": kind, "b": onnx_bytes.FLOAT})))
    frame = pd.DataFrame({"age": values, "b": np.zeros(3)})
    given = answers(found, "columns", X[:3], FEATURES, frame, ("0", "1"))
    assert np.allclose(given, 1 / (1 + np.exp(-np.array(meant))), atol=1e-6)


@pytest.mark.parametrize(
    "kind, values, told",
    [
        (onnx_bytes.INT64, [1, 1.7], r"tensor\(int64\), which cannot hold '1.7' of query row 2"),
        (onnx_bytes.INT64, [1, np.nan], "cannot hold the missing value of query row 2"),
        (onnx_bytes.INT64, [2.0**63, 1], "cannot hold '9223372036854775808'"),
        (onnx_bytes.INT32, [1, 2**31], "cannot hold '2147483648'"),
        (onnx_bytes.INT64, ["1", "x"], "cannot hold '1' of query row 1"),
        (onnx_bytes.BOOL, ["False", "no"], r"tensor\(bool\), which cannot hold 'no'"),
        (onnx_bytes.BOOL, [1.0, np.nan], "cannot hold the missing value"),
        (onnx_bytes.BOOL, [0, 2], "cannot hold '2'"),
        (onnx_bytes.STRING, ["a", None], r"tensor\(string\), which cannot hold the missing value"),
        (onnx_bytes.FLOAT, [1.0, "many"], r"tensor\(float\), which cannot hold 'many'"),
    ],
)
def test_what_an_input_cannot_hold_is_refused_by_column_and_type(tmp_path, kind, values, told):
    pytest.importorskip("onnxruntime")
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.of_kinds({"age": kind, "b": onnx_bytes.FLOAT})))
    frame = pd.DataFrame({"age": pd.Series(values), "b": np.zeros(2)})
    with pytest.raises(PopleakError, match=f"input 'age' is .*{told}"):
        answers(found, "columns", X[:2], FEATURES, frame, ("0", "1"))


def test_scaled_features_are_not_cut_to_whole_numbers(tmp_path):
    pytest.importorskip("onnxruntime")
    found = opened(put(tmp_path, "m.onnx", onnx_bytes.logistic(np.ones(4), 0.0)))
    found.kinds = dict.fromkeys(found.kinds, np.int64)
    with pytest.raises(PopleakError, match=r"input 'x' is .*, which cannot hold"):
        answers(found, "features", X, FEATURES, None, ("0", "1"))


def test_a_model_of_encoded_features_may_be_of_the_encoded_label_too():
    """Of a table whose y = 1 is 0, the class 0 of such a model is y = 0, if it is of the encoded label."""
    label, either = own_labels.Label(("0",), ("1",)), "may be values of the table's label or codes of them"
    assert own_labels.positive(Path("m"), [0, 1], label, None) == 0
    assert own_labels.positive(Path("m"), [False, True], own_labels.Label(("False",), ("True",)), None) == 0
    with pytest.raises(PopleakError, match=either):
        own_labels.positive(Path("m"), [0, 1], label, None, of_features=True)
    with pytest.raises(PopleakError, match=either):
        own_labels.positive(Path("m"), [0, 1], own_labels.Label(("0", "3"), ("1",)), None)
    assert own_labels.positive(Path("m"), [0, 1], label, "1", of_features=True) == 1
    assert own_labels.positive(Path("m"), [0, 1], own_labels.Label(("1",), ("0",)), None, of_features=True) == 1
