"""The columns of the owner's own table as a model of them is given them: pandas' reading, with the numbers and gaps of the records."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from popleak.datasets.table import PLUGIN, Options

MEANT = {"label": "y", "positive": "1", "attribute": "sex", "groups": ("f", "m")}


def original(path, **changed):
    options = Options(path=str(path), **{**MEANT, **changed})
    return PLUGIN.original(files={PLUGIN.sources(options)[0].file: path}, options=options)


@pytest.fixture
def text(tmp_path):
    def put(content: str, **changed):
        path = tmp_path / "people.csv"
        path.write_text(content, encoding="utf-8")
        return original(path, **changed)

    return put


def test_numbers_reach_a_model_as_the_records_have_them(text):
    found = text(
        "weight;pay;rate;share;sex;y\n1,5;9.437;0.5;12 %;f;1\n65,8;1.200;1.5;3 %;m;0\n0,1;12;2.5;;f;0\n",
        decimal={"rate": "."},
    )
    assert found["weight"].tolist() == [1.5, 65.8, 0.1] and found["rate"].tolist() == [0.5, 1.5, 2.5]
    assert found["pay"].dtype == np.int64 and found["pay"].tolist() == [9437, 1200, 12]
    assert found["share"].tolist()[:2] == [12, 3] and np.isnan(found["share"][2])


def test_values_that_mean_a_missing_one_are_missing(text):
    found = text(
        "age,job,code,sex,y\n18,clerk,-999,f,1\n-999.0,?,7,m,0\n30,smith,8,?,0\n?,nurse,9,f,0\n", missing=("?", -999)
    )
    assert found["age"].isna().tolist() == [False, True, True] and found["job"].isna().tolist() == [False, True, False]
    assert found["code"].isna().tolist() == [True, False, False] and found["code"][1] == 7


def test_what_pandas_reads_alike_keeps_its_type(text):
    content = "age,hours,job,flag,when,long,sex,y\n18,0.1,clerk,True,2020-01-01,9007199254740993,f,1\n19,.3,NA,False,2021-01-01,1,m,0\n"
    wanted = pd.read_csv(io.StringIO(content)).drop(columns="y")
    pd.testing.assert_frame_equal(text(content), wanted)


@pytest.mark.parametrize("header", ["age,job,sex,y", "age,job,sex,y,"])
def test_lines_that_end_in_a_separator_are_read(text, header):
    found = text(f"{header}\n18,clerk,f,1,\n19,smith,m,0,\n")
    assert found["age"].tolist() == [18, 19] and found["job"].tolist() == ["clerk", "smith"]


def test_an_index_of_pandas_with_a_name_is_a_column(tmp_path):
    table = pd.DataFrame(
        {"age": [30, 18, 19], "job": ["x", "?", "z"], "pay": [1, -9, 2], "sex": list("fmf"), "y": list("101")}
    )
    for index, drop in (("age", True), (["age", "job"], True), ("age", False)):
        table.set_index(index, drop=drop).to_parquet(tmp_path / "people.parquet")
        found = original(tmp_path / "people.parquet", missing=("?", -9))
        assert sorted(found.columns) == ["age", "job", "pay", "sex"] and found["age"].tolist() == [30, 18, 19]
        gone = [False, True, False]
        assert found["job"].isna().tolist() == gone and found["pay"].isna().tolist() == gone
