"""Datasets: the contract of every plugin, the laws of the generated ones, the encoding, the check against the card."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pydantic
import pytest

from dataset_checks import EXAMPLES, REAL
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _encode, _tables, synthetic
from popleak.datasets.base import Records
from popleak.testing.contracts import check_records

# ---- every plugin


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_contract(name):
    plugin = plugins.load("datasets", name)
    options = plugin.Settings.model_validate(EXAMPLES.get(name, {}))
    assert plugin.name == name
    assert plugin.summary
    assert "\n" not in plugin.summary
    assert len(plugin.summary) <= 100
    assert all(isinstance(value, str) for value in (*plugin.labels, *plugin.attributes))
    assert bool(plugin.labels) == bool(plugin.attributes) == (name != "table")
    json.dumps(options.resolved())
    assert plugin.Settings.model_validate(options.resolved()) == options
    for field in plugin.Settings.model_fields.values():
        assert field.description
    with pytest.raises(pydantic.ValidationError):
        plugin.Settings.model_validate({**EXAMPLES.get(name, {}), "no_such_setting": 1})


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_card_is_complete(name):
    plugin = plugins.load("datasets", name)
    card = plugin.card(plugin.Settings.model_validate(EXAMPLES.get(name, {})))
    for field in ("title", "source", "licence", "citation", "label"):
        assert getattr(card, field), field
    assert set(card.attributes) == (set(plugin.attributes) or {"g"})
    for attribute in card.attributes.values():
        assert len(attribute.groups) == 2
        assert attribute.recorded
        if name in REAL:
            assert sum(attribute.rows) <= card.rows
            assert all(0 < rate < 1 for rate in attribute.rates)
            if sum(attribute.rows) == card.rows:
                total = np.dot(attribute.rows, attribute.rates) / card.rows
                assert total == pytest.approx(card.label_rate, abs=1e-4), "rates contradict each other"
    json.dumps(dataclasses.asdict(card))


@pytest.mark.parametrize("name", [*REAL, "synthetic", "synthetic-twin"])
def test_unknown_label_and_attribute_are_refused(name):
    plugin = plugins.load("datasets", name)
    options = plugin.Settings.model_validate(EXAMPLES.get(name, {}))
    with pytest.raises(PopleakError, match=r"attribute 'zzz'.*choose from"):
        plugin.load(files={}, label=plugin.labels[0], attribute="zzz", options=options, seed=0)
    with pytest.raises(PopleakError, match=r"label 'zzz'.*choose from"):
        plugin.load(files={}, label="zzz", attribute=plugin.attributes[0], options=options, seed=0)


@pytest.mark.parametrize("name", REAL)
def test_absent_file_is_named(name):
    plugin = plugins.load("datasets", name)
    options = plugin.Settings.model_validate(EXAMPLES.get(name, {}))
    sources = plugin.sources(options)
    assert all(source.url is None or source.url.startswith("https://") for source in sources)
    with pytest.raises(PopleakError, match=sources[0].file):
        plugin.load(files={}, label=plugin.labels[0], attribute=plugin.attributes[0], options=options, seed=0)


def test_plugins_import_nothing_heavy():
    code = (
        "import sys; from popleak.core import plugins\n"
        "for name in plugins.names('datasets'): plugins.load('datasets', name)\n"
        "import popleak.datasets._fetch\n"
        "print(sorted({'pandas', 'torch', 'pyarrow', 'sklearn', 'folktables'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- generated data


def generated(*, name: str = "synthetic", seed: int = 1, **options) -> tuple[Records, synthetic.Options]:
    plugin = plugins.load("datasets", name)
    chosen = plugin.Settings.model_validate(options)
    return plugin.load(files={}, label="label", attribute="group", options=chosen, seed=seed), chosen


def near(found: float, expected: float, n: int, sigmas: float = 5.0) -> bool:
    """Say whether a share of n draws is within its binomial error."""
    return abs(found - expected) <= sigmas * np.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize("name", ["synthetic", "synthetic-twin"])
def test_generated_records(name):
    first, options = generated(name=name, rows=2000)
    check_records(first)
    assert first.x.shape[1] == plugins.load("datasets", name).n_features
    assert len(first.y) == 2000
    again, _ = generated(name=name, rows=2000)
    other, _ = generated(name=name, rows=2000, seed=2)
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)
    card = plugins.load("datasets", name).card(options)
    assert near(first.facts["label_rate"], card.label_rate, 1000)


def test_synthetic_rates_follow_the_law():
    records, options = generated(rows=60000, group_share=0.3, label_rates=(0.2, 0.7), cells=5)
    n = len(records.y)
    assert near(records.a.mean(), 0.3, n)
    law = synthetic.cell_law(options)
    assert np.allclose(law.sum(axis=2), 1)
    for a in (0, 1):
        group = records.a == a
        assert near(records.y[group].mean(), options.label_rates[a], group.sum())
        for c in range(5):
            assert near((records.cell[group] == c).mean(), synthetic.cell_shares(options)[a, c], group.sum())
            inside = group & (records.cell == c)
            assert near(records.y[inside].mean(), synthetic.cell_label_rates(options)[a, c], inside.sum())
            for y in (0, 1):
                both = group & (records.y == y)
                assert near((records.cell[both] == c).mean(), law[a, y, c], both.sum())


def test_synthetic_means_follow_the_law():
    records, _ = generated(rows=400000, features=5, signal=1.2, shift=0.9, proxies=2, proxy_strength=1.5)
    means = {
        (a, y): records.x[(records.a == a) & (records.y == y)].astype(np.float64).mean(axis=0)
        for a in (0, 1)
        for y in (0, 1)
    }
    error = 5 * np.sqrt(2 / 70000)  # the smallest cell holds more rows
    for a in (0, 1):
        step = means[a, 1] - means[a, 0]
        assert np.allclose(step[:3], 1.2 / np.sqrt(3), atol=error)
        assert np.allclose(step[3:7], 0, atol=error)
    for y in (0, 1):
        step = means[1, y] - means[0, y]
        assert np.allclose(step[:5], 0.9 / np.sqrt(5), atol=error)
        assert np.allclose(step[5:7], 1.5, atol=error)
    one = records.x[(records.a == 0) & (records.y == 0)][:, :7].astype(np.float64)
    assert np.allclose(np.cov(one.T), np.eye(7), atol=0.06)
    assert records.features[:8] == ("x0", "x1", "x2", "x3", "x4", "proxy0", "proxy1", "cell=0")
    assert np.array_equal(records.x[:, 7:].argmax(axis=1), records.cell)


@pytest.mark.parametrize("cell_in_features", [True, False])
def test_bayes_accuracy(cell_in_features):
    records, options = generated(rows=200000, cells=3, cell_signal=2.0, signal=1.0, cell_in_features=cell_in_features)
    h = 4  # the first half of 8 features carry the signal
    for g in (0, 1):
        inside = records.a == g
        shift = (g - 0.5) * options.shift / np.sqrt(8)
        score = options.signal * ((records.x[inside, :h] - shift) / np.sqrt(h)).sum(axis=1)
        rates = synthetic.cell_label_rates(options)[g]
        prior = rates[records.cell[inside]] if cell_in_features else options.label_rates[g]
        guess = score + np.log(prior / (1 - prior)) > 0
        right = (guess == records.y[inside]).mean()
        assert near(right, synthetic.bayes_accuracy(options, group=g), inside.sum(), sigmas=4)


def test_bayes_accuracy_without_signal_is_the_larger_rate():
    options = synthetic.Options(signal=0, cells=1, label_rates=(0.2, 0.9))
    assert synthetic.bayes_accuracy(options, group=0) == pytest.approx(0.8)
    assert synthetic.bayes_accuracy(options, group=1) == pytest.approx(0.9)
    # D = 2, equal rates: Phi(1)
    even = synthetic.Options(signal=2, cells=1, label_rates=(0.5, 0.5))
    assert synthetic.bayes_accuracy(even, group=0) == pytest.approx(0.8413447, abs=1e-6)


def test_one_cell_and_odd_settings():
    records, _ = generated(rows=500, cells=1, features=1, proxies=0)
    check_records(records)
    assert records.features == ("x0",)
    assert set(records.cell) == {0}


@pytest.mark.parametrize(
    "bad", [{"group_share": 0}, {"label_rates": (0.5, 1.0)}, {"cells": 0}, {"rows": 1}, {"signal": -1}, {"rows": 2.5}]
)
def test_synthetic_refuses(bad):
    with pytest.raises(pydantic.ValidationError):
        synthetic.Options.model_validate(bad)


def test_twins_are_equal_in_every_pool():
    records, _ = generated(name="synthetic-twin", rows=4000, shift=3.0, proxies=3)
    units, counts = np.unique(records.unit, return_counts=True)
    assert (counts == 2).all()
    everything = np.column_stack([records.x, records.y, records.cell])
    for pool in np.array_split(np.random.default_rng(0).permutation(units), 3):
        member = np.isin(records.unit, pool)
        zero, one = (everything[member & (records.a == g)] for g in (0, 1))
        order = [np.lexsort(group.T) for group in (zero, one)]
        assert np.array_equal(zero[order[0]], one[order[1]])
    pairs = records.a.reshape(-1, 2) if np.array_equal(records.unit[::2], records.unit[1::2]) else None
    assert pairs is not None
    assert (pairs.sum(axis=1) == 1).all(), "each pair has one record in each group"


def test_twin_rows_must_be_even():
    with pytest.raises(pydantic.ValidationError, match="even"):
        plugins.load("datasets", "synthetic-twin").Settings(rows=2001)


# ---- encoding


def test_numeric_is_standardised():
    block = _encode.numeric(name="n", values=np.array([1, 2, 3, 10]))
    assert block.names == ("n",)
    assert block.values.dtype == np.float32
    assert block.values.mean() == pytest.approx(0, abs=1e-6)
    assert block.values.std() == pytest.approx(1, abs=1e-6)
    assert _encode.numeric(name="n", values=np.full(4, 0.1)).values.shape == (4, 0)
    for bad in (np.nan, np.inf):
        with pytest.raises(PopleakError, match="'n'"):
            _encode.numeric(name="n", values=np.array([1, bad]))


def test_categorical_is_one_hot():
    block = _encode.categorical(name="c", values=np.array(["b", "a", "c", "a"]))
    assert block.names == ("c=a", "c=b", "c=c")
    assert block.values.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    two = _encode.categorical(name="c", values=np.array([7, 5, 7]))
    assert two.names == ("c=7",)
    assert two.values.tolist() == [[1], [0], [1]]
    assert _encode.categorical(name="c", values=np.array([7, 7])).names == ()


def test_stack_refuses_nothing_and_doubles():
    one = _encode.numeric(name="n", values=np.array([1, 2]))
    x, names = _encode.stack(blocks=[one, _encode.categorical(name="c", values=np.array(["a", "b"]))])
    assert x.shape == (2, 2)
    assert names == ("n", "c=b")
    with pytest.raises(PopleakError, match="'n' occurs twice"):
        _encode.stack(blocks=[one, one])
    with pytest.raises(PopleakError, match="no feature"):
        _encode.stack(blocks=[])


def test_check_names_file_expected_found_and_remedy():
    card = plugins.load("datasets", "german").card(None)
    y = np.r_[np.ones(700), np.zeros(300)].astype(np.int8)
    group = np.zeros(1000, dtype=np.int8)
    group[:201], group[-109:] = 1, 1
    _tables.check(card=card, attribute="sex", file="german.data", y=y, group=group)
    with pytest.raises(PopleakError, match=r"german\.data: rows: expected 1000, found 999: delete it and fetch"):
        _tables.check(card=card, attribute="sex", file="german.data", y=y[1:], group=group[1:])
    with pytest.raises(PopleakError, match=r"label rate: expected 0.7, found 0.6990"):
        _tables.check(card=card, attribute="sex", file="f", y=np.r_[y[1:], 0], group=group)
    group[300] = 1
    with pytest.raises(PopleakError, match=r"rows of Male: expected 690, found 689"):
        _tables.check(card=card, attribute="sex", file="f", y=y, group=group)
    group[300], group[0], group[-200] = 0, 0, 1
    with pytest.raises(PopleakError, match=r"label rate of Male: expected 0.7232, found 0.7246"):
        _tables.check(card=card, attribute="sex", file="f", y=y, group=group)


def test_a_truncated_table_is_refused(tmp_path):
    (tmp_path / "german.data").write_text("A11 6 A34\n", encoding="utf-8")
    plugin = plugins.load("datasets", "german")
    with pytest.raises(PopleakError, match=r"german\.data"):
        plugin.load(
            files={"german.data": tmp_path / "german.data"}, label="credit", attribute="sex", options=None, seed=0
        )
