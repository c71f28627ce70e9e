"""No word of a public table is read as a missing value, or as a number, by whoever reads it from CSV with the usual defaults."""

from __future__ import annotations

import io
from typing import get_args

import pandas as pd
import pytest
from pandas.api.types import is_string_dtype

import fake_tables
import tiny
from popleak.config.experiment import Experiment
from popleak.core import plugins, protocols
from popleak.store.schema import TABLES

COMMITTED = sorted((tiny.ROOT / "docs" / "results").glob("*/*.csv"))
OTHER = (
    "victim",
    "shadow",
    "ok",
    "diverged",
    "constant",
    "holds",
    "fails",
    "cannot tell",
    "no material difference",
    "primary",
    "secondary",
    "any",
    "all",
    "witness",
    "best",
)


def through_csv(words: list[str]) -> list[object]:
    return pd.read_csv(io.StringIO(pd.Series(words, name="word").to_csv(index=False)))["word"].tolist()


def words_of(field) -> tuple[str, ...]:
    """Return the words of a setting that is a list of literals."""
    literal = get_args(field.annotation)[0]
    return get_args(literal)


def test_protocols_are_those_of_the_questions():
    assert set(plugins.protocols()) == set(protocols.PROTOCOLS)


def test_words_of_the_tables():
    fields = Experiment.model_fields
    words = [
        *protocols.PROTOCOLS, *words_of(fields["knowledge"]), *OTHER,
        *(name for kind in plugins.KINDS for name in plugins.names(kind)),
    ]  # fmt: skip
    assert len(words) > 50
    assert [through_csv([word]) for word in words] == [[word] for word in words]


def test_the_word_of_earlier_versions_was_lost():
    assert pd.isna(through_csv(["null", "pure"])[0])


@pytest.mark.parametrize("name", ["models", "scores", "leakage", "bounds"])
def test_tables_through_csv(name):
    frame = fake_tables.tables()[name]
    texts = [column.name for column in TABLES[name] if column.type == "string" and column.name in frame]
    assert {"task", "protocol", "defence"} <= set(texts)
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    for column in texts:
        assert read[column].astype(str).tolist() == frame[column].astype(str).tolist(), column


@pytest.mark.parametrize("path", COMMITTED, ids=[f"{path.parent.name}-{path.stem}" for path in COMMITTED])
def test_committed_numbers_read_as_they_are(path):
    """A cell with text in it is never read as missing."""
    usual, literal = pd.read_csv(path), pd.read_csv(path, keep_default_na=False, dtype=str)
    for column in literal:
        if is_string_dtype(usual[column]):
            assert usual[column].isna().sum() == (literal[column] == "").sum(), column
