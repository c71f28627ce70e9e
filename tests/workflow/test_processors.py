"""The comparison of runs on other processors: it must see a difference where there is one."""

from __future__ import annotations

import os

import pandas as pd
import pytest

import processors


def frames(**changed):
    columns = {"value": [0.5, None, 1.0], "count": [1, 2, 3], "verdict": ["holds", "fails", None]}
    return {"claims": pd.DataFrame({**columns, **changed})}


def test_equal_tables_differ_in_nothing():
    assert processors.compare(frames(), frames()) == {
        "cells": 9,
        "numbers differ": 0,
        "largest": 0.0,
        "others differ": 0,
    }


def test_each_kind_of_difference_is_counted():
    found = processors.compare(
        frames(), frames(value=[0.5, None, 1.25], count=[1, 2, 4], verdict=["holds", "holds", None])
    )
    assert found == {"cells": 9, "numbers differ": 1, "largest": 0.25, "others differ": 2}


def test_a_number_that_is_missing_in_one_differs():
    assert processors.compare(frames(), frames(value=[0.5, 0.0, 1.0]))["largest"] == float("inf")


def test_other_rows_are_no_comparison():
    with pytest.raises(ValueError, match="claims: other rows"):
        processors.compare(frames(), {"claims": frames()["claims"].head(2)})
    with pytest.raises(ValueError, match="other tables"):
        processors.compare(frames(), {})


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "a")
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    with processors.set_to({"NUMBA_CPU_NAME": "b", "ATEN_CPU_CAPABILITY": "default"}):
        assert (os.environ["NUMBA_CPU_NAME"], os.environ["ATEN_CPU_CAPABILITY"]) == ("b", "default")
    assert os.environ["NUMBA_CPU_NAME"] == "a" and "ATEN_CPU_CAPABILITY" not in os.environ
