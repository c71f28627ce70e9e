"""The dataset `table`: options, missing values, and one clear line for each thing that can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataset_checks import TABLE
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _fetch, _reading, _tables
from popleak.datasets.base import Records
from popleak.testing.contracts import check_records


def write_table(folder: Path, *, suffix: str = ".csv", rows: int = 200, **columns) -> Path:
    """Write a made-up table; `columns` are added or replaced."""
    pd = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "name": [f"person {number}" for number in range(rows)],
            "age": random.integers(20, 60, rows),
            "town": random.choice(["A", "B", "C"], rows),
            "g": random.choice(["u", "v", "w"], rows),
            "y": random.choice([0, 1, 2], rows),
        }
    ).assign(**columns)
    path = folder / f"t{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def load_table(path: Path, /, **options) -> Records:
    plugin = plugins.load("datasets", "table")
    chosen = plugin.Settings.model_validate({**TABLE, "path": str(path), "drop": ["name"], **options})
    (source,) = plugin.sources(chosen)
    found = _fetch.locate("table", source, None)
    return plugin.load(files={source.file: found}, label="custom", attribute="custom", options=chosen, seed=0)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table(tmp_path, suffix):
    records = load_table(write_table(tmp_path, suffix=suffix))
    check_records(records)
    assert records.features == ("age", "town=A", "town=B", "town=C")
    assert records.groups == ("u", "v")
    random = np.random.default_rng(0)
    random.integers(20, 60, 200), random.choice(["A", "B", "C"], 200)
    g, y = random.choice(["u", "v", "w"], 200), random.choice([0, 1, 2], 200)
    assert np.array_equal(records.y, (y == 1)[g != "w"])
    assert np.array_equal(records.a, (g == "v")[g != "w"])
    plugin = plugins.load("datasets", "table")
    options = plugin.Settings.model_validate(TABLE)
    card = _tables.filled(card=plugin.card(options), attribute="g", records=records)
    assert card.rows == len(records.y)
    assert card.attributes["g"].rows == ((g == "u").sum(), (g == "v").sum())


def test_table_options(tmp_path):
    path = write_table(tmp_path, unit=np.arange(200) // 2, zone=np.arange(200) % 7)
    joined = load_table(path, groups=["u", ["v", "w"]], positive="2", unit="unit", categorical=["zone"])
    assert joined.groups == ("u", "v/w")
    assert len(joined.y) == 200
    assert np.array_equal(np.unique(joined.unit, return_counts=True)[1], np.full(100, 2))
    assert [name for name in joined.features if name.startswith("zone")] == [f"zone={k}" for k in range(7)]
    named = load_table(path, group_names=["here", "there"], positive=1.0)
    assert named.groups == ("here", "there")
    assert np.array_equal(named.y, load_table(path).y)


def test_table_fills_missing_values(tmp_path):
    age = np.random.default_rng(1).integers(20, 60, 200).astype(float)
    age[::5] = np.nan
    age[::10] = 1000.0  # rows that are left out must not count
    town = np.where(np.arange(200) % 4 == 0, None, "A")
    label = np.where(np.arange(200) % 10 == 0, np.nan, np.arange(200) % 3)
    path = write_table(tmp_path, age=age, town=town, y=label)
    records = load_table(path, groups=["u", ["v", "w"]])
    assert records.features == ("age", "age missing", "town=missing")
    keep = np.arange(200) % 10 != 0
    assert records.facts["rows_without_label"] == 20
    assert len(records.y) == 180
    missing = records.x[:, 1] > 0
    assert np.array_equal(missing, np.isnan(age)[keep])
    filled = np.where(np.isnan(age), np.nanmedian(age[keep]), age)[keep]
    assert np.allclose(records.x[:, 0], (filled - filled.mean()) / filled.std(), atol=1e-5)
    assert np.array_equal(records.x[:, 2] == 1, (np.arange(200) % 4 == 0)[keep])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "zz"}, r"options\.label: column 'zz' is not in the table: choose from name, age"),
        ({"attribute": "zz"}, r"options\.attribute: column 'zz' is not in the table"),
        ({"attribute": "y"}, r"options\.attribute: column 'y' is options\.label already"),
        ({"unit": "zz"}, r"options\.unit: column 'zz' is not in the table"),
        ({"drop": ["name", "zz"]}, r"options\.drop: column 'zz' is not in the table"),
        ({"drop": ["name", "age", "town"]}, r"options\.drop: no column is left"),
        ({"drop": ["name", "y"]}, r"options\.drop: column 'y' is options\.label already"),
        ({"categorical": ["y"]}, r"options\.categorical: 'y' is not a feature: choose from age, town"),
        (
            {"positive": 7},
            r"options\.positive: '7' does not occur in column 'y', which holds '2' \(67\), '0' \(67\), '1' \(66\)$",
        ),
        (
            {"groups": ["u", "zz"]},
            r"options\.groups\.1: 'zz' does not occur in column 'g', which holds 'w' \(72\), 'u' \(67\), 'v' \(61\)$",
        ),
        ({"groups": ["u", ["v", "u"]]}, r"options\.groups: 'u' is in both groups"),
        ({"groups": ["u", []]}, r"options\.groups: group 1 is an empty list"),
        (
            {"negative": None},
            r"options\.negative: column 'y' holds '2' \(67\), '0' \(67\), '1' \(66\), so `positive` does not",
        ),
        ({"negative": [1, 0]}, r"options\.negative: '1' is y = 1 too"),
        ({"negative": [3]}, r"options\.negative: '3' does not occur in column 'y'"),
        ({"positive": [0, 1, 2]}, r"options\.positive: every row of column 'y' is y = 1"),
        ({"positive": "> 2"}, r"options\.positive: '> 2' does not occur in column 'y'"),
        (
            {"groups": ["<= 3", "> 3"]},
            r"2 problems:\n.*groups\.0: '<= 3' cuts a column of numbers, and column 'g' holds",
        ),
        ({"drop": []}, r"column 'name': every row has its own value.*options\.drop"),
        ({"path": "zz.csv"}, r"zz\.csv: no such file"),
    ],
)
def test_table_says_what_is_wrong(tmp_path, options, message):
    path = write_table(tmp_path)
    with pytest.raises(PopleakError, match=message) as caught:
        load_table(path, **options)
    assert "person 1" not in str(caught.value)
    assert str(caught.value).startswith(str(options.get("path", path)))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": 1}, r"options\.label: column 'y' is constant"),
        (
            {"g": ["u"] * 150 + ["v"] * 50, "y": [np.nan] * 150 + [0, 1] * 25},
            r"options\.groups: no row with a label.*0 \(u\)",
        ),
        (
            {"g": ["u", "v"] * 50 + ["w"] * 100, "y": [1] * 100 + [0] * 100},
            r"options\.label: .*constant in the two groups",
        ),
        ({"town": [f"t{k % 60}" for k in range(200)]}, r"column 'town': has 59 different values, the limit is 50"),
        ({"age": np.inf}, r"column 'age': holds infinite or absurdly large numbers"),
        ({"age": np.nan}, r"column 'age': is empty: name it in options\.drop"),
        ({"age": np.random.default_rng(3).permutation(200) + 7}, r"column 'age': numbers the rows"),
    ],
)
def test_table_refuses_columns(tmp_path, columns, message):
    with pytest.raises(PopleakError, match=message):
        load_table(write_table(tmp_path, **columns))


def test_table_refuses_dates_and_nested_values(tmp_path):
    day = np.datetime64("2020-01-01") + np.arange(200).astype("timedelta64[D]")
    with pytest.raises(PopleakError, match="column 'age': holds dates"):
        load_table(write_table(tmp_path, suffix=".parquet", age=day.astype("datetime64[s]")))
    with pytest.raises(PopleakError, match="column 'town': holds nested values"):
        load_table(write_table(tmp_path, suffix=".parquet", town=[[1, 2]] * 200))


def test_table_refuses_other_files(tmp_path):
    for name, text, message in (
        ("t.xlsx", "x", r"t\.xlsx: is an Excel workbook: save"),
        ("t.parquet", "x", r"t\.parquet: truncated or not Parquet"),
        ("t.csv", "", r"t\.csv: is empty"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(PopleakError, match=message):
            load_table(tmp_path / name)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_dropped_columns_are_never_read(tmp_path, monkeypatch, suffix):
    read, seen = _reading.read, []
    monkeypatch.setattr(_reading, "read", lambda *a, **k: seen.append(read(*a, **k)) or seen[-1])
    load_table(write_table(tmp_path, suffix=suffix))
    assert [list(sheet.columns) for sheet in seen] == [["age", "town", "g", "y"]]


def test_all_problems_at_once(tmp_path):
    """A line each, with what was found."""
    path = write_table(
        tmp_path, age=np.inf, town=[f"t{k % 60}" for k in range(200)], code=[f"c{k}" for k in range(200)]
    )
    with pytest.raises(PopleakError) as caught:
        load_table(path, positive=7, groups=["u", "zz"])
    first, *rest = str(caught.value).splitlines()
    assert first == f"{path}: 5 problems:"
    assert [line.split("'")[1] for line in rest] == ["7", "zz", "age", "town", "code"]
