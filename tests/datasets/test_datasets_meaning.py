"""What an own table's columns mean: labels, groups, numbers and categories, and what is said of those that mislead."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from own_tables import examine, lines, load, people, plugin_and_options, put
from popleak.core.errors import PopleakError

DATA = os.environ.get("POPLEAK_DATA")


def hints(path: Path, **options) -> list[str]:
    findings = examine(path, **options)
    assert not findings.problems
    return findings.hints


# ---- labels and groups


def spelt(i: int) -> str:
    """A third of the rows with a dot behind the label, as in the second file of Adult."""
    return (">50K" if i % 2 else "<=50K") + ("." if i % 3 == 0 else "")


INCOME = {"label": "income", "positive": ">50K", "drop": ["repaid"]}


def test_spellings_of_a_label_are_refused_with_what_to_give(tmp_path):
    path = put(tmp_path, people(income=spelt))
    with pytest.raises(PopleakError) as caught:
        load(path, **INCOME)
    assert str(caught.value).startswith(
        f"{path}: options.negative: column 'income' holds '>50K' (67), '<=50K' (66), '<=50K.' (34), '>50K.' (33), so"
    )
    assert str(caught.value).endswith("give positive: ['>50K', '>50K.'], negative: ['<=50K.', '<=50K']")
    truth = np.array([i % 2 for i in range(200)])
    whole = load(path, **INCOME | {"positive": [">50K", ">50K."]}, negative=["<=50K", "<=50K."])
    assert np.array_equal(whole.y, truth)
    assert whole.facts["label_values"] == {"1": {">50K": 67, ">50K.": 33}, "0": {"<=50K.": 34, "<=50K": 66}}


def test_the_rest_is_negative_on_purpose_only(tmp_path, capsys):
    path = put(tmp_path, people(income=spelt))
    records = load(path, **INCOME | {"positive": [">50K", ">50K."]}, negative="rest")
    assert records.y.sum() == 100
    said = capsys.readouterr().err
    assert "y = 1: '>50K' (67), '>50K.' (33); y = 0: '<=50K' (66), '<=50K.' (34)" in said
    both = "'>50K' and '>50K.' look like one value in several spellings, and stand on both sides of the label: name them on"
    for negative in ("rest", [">50K.", "<=50K", "<=50K."]):
        with pytest.raises(PopleakError, match=re.escape(both)):
            load(path, **INCOME, negative=negative)
    some = load(path, **INCOME, negative=["<=50K"])
    assert len(some.y) == 133 and some.facts["label_values"]["left out"] == {"<=50K.": 34, ">50K.": 33}
    json.dumps(dict(some.facts))


def test_spellings_of_one_group_never_stand_in_both(tmp_path):
    path = put(tmp_path, people(sex=lambda i: ("male", "female", "Male")[i % 3]))
    with pytest.raises(
        PopleakError, match=r"options.groups: column 'sex': 'Male' and 'male' look like .*: name them in one group"
    ):
        load(path, groups=["male", ["female", "Male"]])
    assert len(load(path, groups=[["male", "Male"], "female"]).y) == 200
    left = load(path, groups=["male", "female"])
    assert len(left.y) == 134 and "join them in options.groups" in left.facts["hints"][0]


def test_a_side_of_the_label_that_hardly_occurs_is_pointed_out(tmp_path):
    def hints(ones, count=1000):
        men = {i for i in range(count) if i % 5 > 1 and i < 5 * ones / 3}
        path = put(tmp_path, people(count, repaid=lambda i: "yes" if i in men or (i % 5 < 2 and i % 2) else "no"))
        return [line for line in load(path).facts["hints"] if line.startswith("label: ")]

    (few,) = hints(3)
    assert few.startswith("label: 3 of 600 rows of group 0 (male) have y = 1, 0.5 %: ") and "options.positive" in few
    assert len(hints(6, 100)) == 1, "fewer than ten rows, though 10 %"
    assert not hints(12)
    assert not hints(3, 40), "of a small table any side is rare"


def test_repeated_rows_are_counted_and_pointed_out_where_chance_does_not_explain_them(tmp_path):
    columns = {name: (lambda i, k=k: (i % 180 * k) % 997) for name, k in (("pay", 31), ("debt", 57))}
    found = load(put(tmp_path, people(200, **columns, age=lambda i: i % 180, sex=lambda i: "male" if i % 180 % 5 > 1 else "female",
                                      job=lambda i: "a", repaid=lambda i: "yes" if i % 180 % 7 < 3 else "no")))  # fmt: skip
    assert found.facts["repeated_rows"] == 20
    assert [
        line
        for line in found.facts["hints"]
        if line.startswith("20 of 200 rows repeat another row") and "options.unit" in line
    ]
    few = load(put(tmp_path, people(400)))
    assert few.facts["repeated_rows"] == 125 and not [line for line in few.facts["hints"] if "repeat" in line]


def test_a_number_that_the_decimal_sign_does_not_allow_is_quoted(tmp_path):
    path = put(tmp_path, people(pay=lambda i: f"{20 + i}.0"))
    with pytest.raises(PopleakError, match=r"column 'pay': '20.0' is no number where the decimal sign is ','"):
        load(path, decimal=",")
    mixed = put(tmp_path, people(pay=lambda i: f'"{20 + i % 90},5"', rate=lambda i: f"{i % 80}.25"))
    found = load(mixed, decimal={"pay": ",", "rate": "."})
    assert found.facts["numbers"] == ["column 'pay': '20,5' is read as 20.5"]
    with pytest.raises(PopleakError, match=r"options.decimal: column 'wage' is not in the table"):
        load(mixed, decimal={"wage": ","})


@pytest.mark.parametrize("variant", ["Yes", "YES", "yes.", "yes ,"])
def test_spellings_by_case_and_signs(tmp_path, variant):
    text = people(repaid=lambda i: ("yes", "no", variant)[i % 3]).replace("yes ,", '"yes ,"')
    with pytest.raises(PopleakError, match=r"look like one value in several spellings: give positive: \["):
        load(put(tmp_path, text))


def test_space_around_a_value_does_not_count(tmp_path):
    text = people().replace(",yes", ", yes ").replace("male,", "male  ,")
    assert np.array_equal(load(put(tmp_path, text)).y, load(put(tmp_path, people(), "plain.csv")).y)


def test_words_such_as_none_are_values(tmp_path):
    """Of a label and a group; in numbers they are missing."""
    path = put(
        tmp_path,
        people(
            sex=lambda i: "NA" if i % 3 else "None",
            repaid=lambda i: "null" if i % 2 else "nan",
            age=lambda i: "NA" if i % 4 == 0 else i % 7,
        ),
    )
    found = load(path, positive="null", groups=["NA", "None"])
    assert found.y.tolist() == [i % 2 for i in range(200)]
    assert found.a.tolist() == [int(i % 3 == 0) for i in range(200)]
    assert found.x[:, found.features.index("age missing")].argmax() % 4 == 0
    assert found.facts["numbers"] == ["column 'age': 'NA' among numbers is read as missing (50 rows)"]
    less = load(path, positive="null", groups=["NA", "None"], drop=["age"], missing=["nope"])
    assert len(less.y) == 200
    with pytest.raises(PopleakError, match="column 'repaid' is constant"):
        load(path, positive="null", groups=["NA", "None"], missing=["nan"])


def test_missing_marks_leave_rows_out(tmp_path):
    path = put(
        tmp_path, people(repaid=lambda i: ("yes", "no", "?")[i % 3], sex=lambda i: ("male", "female", "-9")[i // 3 % 3])
    )
    records = load(path, missing=["?", -9.0])
    keep = [i for i in range(200) if i % 3 < 2 and i // 3 % 3 < 2]
    assert records.y.tolist() == [1 - i % 3 for i in keep] and records.a.tolist() == [i // 3 % 3 for i in keep]
    assert records.facts["rows_without_label"] == 66


def test_numbers_are_cut(tmp_path):
    path = put(tmp_path, people(income=lambda i: f"{40 + i % 30},000.50".join('""')))
    cut = {
        "label": "income",
        "positive": "> 50000.5",
        "attribute": "age",
        "groups": ["<= 25", "> 25"],
        "drop": ["repaid", "sex"],
    }
    records = load(path, **cut)
    age = np.array([20 + 7 * i % 41 for i in range(200)])
    assert records.y.tolist() == [int(i % 30 > 10) for i in range(200)]
    assert np.array_equal(records.a, (age > 25).astype(int))
    assert records.groups == ("<= 25", "> 25")
    assert records.features == ("job=a", "job=b", "job=c")
    with pytest.raises(PopleakError, match=r"options\.groups: '2\d' is in both groups"):
        load(path, **cut | {"groups": ["<= 25", ">= 20"]})
    with pytest.raises(
        PopleakError, match=r"options\.positive: '> 5' cuts a column of numbers, and column 'job' holds 'a'"
    ):
        load(path, **cut | {"label": "job", "positive": "> 5"})


def test_a_cut_reads_numbers_as_the_whole_file_shows(tmp_path):
    """In the plan, which reads the label alone, as in the job."""
    path = put(tmp_path, people(income=lambda i: f"{i % 9 + 1}.500", rate=lambda i: f"{i % 7},5".join('""')))
    options = {"label": "income", "positive": "> 5000", "drop": ["repaid"]}
    records = load(path, **options)
    assert records.y.tolist() == [int(i % 9 + 1 >= 5) for i in range(200)]
    plugin, chosen = plugin_and_options(path, **options)
    cells = plugin.cells(files={chosen.path: path}, label="", attribute="", options=chosen)
    assert [sum(row) for row in cells.counts] == [int((records.y == side).sum()) for side in (0, 1)]


def test_a_text_that_looks_like_a_cut_is_itself(tmp_path):
    path = put(tmp_path, people(repaid=lambda i: ">50000" if i % 3 else "<=50000"))
    assert load(path, positive=">50000").y.tolist() == [int(i % 3 > 0) for i in range(200)]


def test_yaml_takes_yes_for_true(tmp_path):
    with pytest.raises(PopleakError, match=r"'True' does not occur.*YAML reads a bare yes or no as true or false"):
        load(put(tmp_path, people()), positive=True)
    path = put(tmp_path, people(repaid=lambda i: "TRUE" if i % 3 else "FALSE"))
    assert load(path, positive=True).y.sum() == 133


def test_groups_left_out_are_named(tmp_path, capsys):
    path = put(tmp_path, people(sex=lambda i: ("male", "female", "Male", "other")[i % 4]))
    records = load(path)
    assert records.facts["values_in_neither_group"] == {"Male": 50, "other": 50}
    said = capsys.readouterr().err
    assert "in neither group and left out: 'Male' (50), 'other' (50)" in said
    assert "'male' (50) group 0" in said and "'Male' (50) left out" in said and "join them in options.groups" in said
    assert load(path, groups=[["male", "Male"], "female"]).facts["group_rows"] == [100, 50]


def test_every_cell_must_be_filled(tmp_path):
    path = put(tmp_path, people(repaid=lambda i: "yes" if i % 5 < 2 else "no"))
    with pytest.raises(
        PopleakError, match=r"2 problems:\n.*no row of group 0 \(male\) has y = 1.*\n.*group 1 \(female\) has y = 0"
    ):
        load(path)


# ---- features


def test_a_mark_among_numbers_is_named(tmp_path):
    many = put(tmp_path, people(income=lambda i: "?" if i % 9 == 0 else 1000 + i))
    with pytest.raises(
        PopleakError,
        match=r"177 values are numbers and 23 are not, '\?' \(23\): if they mean a missing number give missing: \['\?'\]",
    ):
        load(many)
    records = load(many, missing=["?"])
    assert records.x[:, records.features.index("income missing")].argmax() == 0
    few = put(tmp_path, people(rooms=lambda i: "?" if i % 9 == 0 else i % 4), "few.csv")
    (hint,) = hints(few)
    assert "read as categories: if they mean a missing number give missing: ['?']" in hint
    assert "drop" not in hint


def test_units_are_named(tmp_path):
    for written, message in (
        (lambda i: f"{i} kg", "has 200 different values, numbers followed by 'kg'|every row has its own value"),
        (lambda i: f"{i % 80} kg", "has 80 different values, numbers followed by 'kg', the limit is 50"),
        (
            lambda i: f"${i}" if i % 2 else i,
            r"'\$1' and '0': some numbers have a sign such as \$ or % and others do not: write them alike",
        ),
    ):
        with pytest.raises(PopleakError, match=message):
            load(put(tmp_path, people(weight=written)))
    money = load(put(tmp_path, people(price=lambda i: f"${i % 80}")))
    assert "price" in money.features and money.facts["numbers"] == ["column 'price': '$0' is read as 0"]


@pytest.mark.parametrize("day", ["2020-01-{:02d}", "{}.3.2020", "3/{}/20", "2020-01-{:02d} 10:00", "10:{:02d}"])
def test_dates_are_refused_unless_they_are_categories(tmp_path, day):
    path = put(tmp_path, people(day=lambda i: day.format(i % 9 + 10)))
    with pytest.raises(PopleakError, match="column 'day': holds dates or times: turn them into numbers"):
        load(path)
    assert sum(name.startswith("day=") for name in load(path, categorical=["day"]).features) == 9


def test_types_of_parquet(tmp_path):
    """Exact decimals are numbers, durations seconds; dates are refused; text stays text though it looks like numbers."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    n = 200
    columns = {
        "sex": pa.array(["male", "female"] * (n // 2)).dictionary_encode(),
        "repaid": pa.array([i % 3 == 0 for i in range(n)]),
        "price": pa.array([decimal.Decimal(i % 7) / 4 for i in range(n)], pa.decimal128(10, 2)),
        "stay": pa.array([datetime.timedelta(hours=i % 5) for i in range(n)], pa.duration("ms")),
        "code": pa.array([f"{i % 3}" for i in range(n)]),
        "flag": pa.array([None if i % 4 == 0 else i % 4 == 1 for i in range(n)]),
        "size": pa.array([None if i % 10 == 0 else i % 6 for i in range(n)], pa.int8()),
        "ratio": pa.array([float("nan") if i % 10 == 1 else i % 6 for i in range(n)], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    records = load(tmp_path / "t.parquet", positive=True)
    assert records.y.tolist() == [int(i % 3 == 0) for i in range(n)]
    assert records.features == (
        *("price", "stay", "size", "size missing", "ratio", "ratio missing", "code=0", "code=1", "code=2"),
        *("flag=False", "flag=True", "flag=missing"),
    )
    stay = np.array([i % 5 for i in range(n)])
    assert np.allclose(records.x[:, 1], (stay - stay.mean()) / stay.std(), atol=1e-5)
    dates = {
        "day": [datetime.date(2020, 1, 1 + i % 9) for i in range(n)], "hour": [datetime.time(i % 9) for i in range(n)],
        "when": [datetime.datetime(2020, 1, 1 + i % 9) for i in range(n)], "bytes": [b"x"] * n, "list": [[1]] * n,
        "none": pa.nulls(n),
    }  # fmt: skip
    pq.write_table(pa.table(columns | dates), tmp_path / "u.parquet")
    problems = examine(tmp_path / "u.parquet", positive=True).problems
    assert [(line.split("'")[1], line.split(": ")[1]) for line in problems] == [
        *((name, "holds dates or times") for name in ("day", "hour", "when")),
        *((name, "holds nested values or bytes") for name in ("bytes", "list")),
        ("none", "is empty"),
    ]
    assert (
        len(
            load(
                tmp_path / "u.parquet",
                positive=True,
                drop=["bytes", "list", "none"],
                categorical=["day", "hour", "when"],
            ).y
        )
        == n
    )


def test_numbers_too_large_to_tell_apart_are_refused(tmp_path):
    with pytest.raises(PopleakError, match="'card': holds whole numbers so large that they cannot be distinguished"):
        load(put(tmp_path, people(card=lambda i: 2**63 + i % 7)))
    assert "card" in load(put(tmp_path, people(card=lambda i: 2**53 + 4096 * (i % 7)))).features
    with pytest.raises(PopleakError, match="'age': holds infinite or absurdly large numbers"):
        load(put(tmp_path, people(age=lambda i: "1e200" if i == 5 else i % 9)))


def test_a_constant_column_is_told(tmp_path, capsys):
    path = put(tmp_path, people(one=lambda i: 7, same=lambda i: "x", once=lambda i: "x" if i % 2 else ""))
    assert not {"one", "same"} & {name.split("=")[0] for name in load(path).features}
    said = capsys.readouterr().err
    assert (
        "'one': is constant, so it is not used as a feature" in said
        and "'same': is constant" in said
        and "'once'" not in said
    )


@pytest.mark.parametrize("order", [("x missing", "x"), ("x", "x missing")])
def test_a_column_is_not_replaced_by_the_feature_for_missing_numbers(tmp_path, order):
    made = {"x missing": lambda i: "uvw"[i // 3 % 3], "x": lambda i: "" if i % 4 == 0 else i % 9}
    path = put(tmp_path, people(**{name: made[name] for name in order}))
    with pytest.raises(
        PopleakError, match=r"'x': has missing values, and the additional feature 'x missing' .*rename one"
    ):
        load(path)
    assert {"x missing=u", "x missing=v"} < set(load(path, drop=["x"]).features)
    assert "x missing" in load(path, drop=["x missing"]).features
    whole = put(tmp_path, people(**{name: made[name] for name in order} | {"x": lambda i: i % 9}))
    assert {"x", "x missing=u"} < set(load(whole).features)


def test_a_category_called_missing_is_not_joined_with_empty_fields(tmp_path):
    made = ("missing", "", "there", "gone")
    path = put(tmp_path, people(paper=lambda i: made[i // 3 % 4]))
    with pytest.raises(PopleakError, match="'paper': has empty fields and the value 'missing', which would be one"):
        load(path)
    joined = load(path, missing=["missing"])
    column = joined.x[:, joined.features.index("paper=missing")]
    assert column.tolist() == [float(i // 3 % 4 < 2) for i in range(200)]
    assert "paper=missing" in load(put(tmp_path, people(paper=lambda i: made[(0, 2, 3)[i // 3 % 3]]))).features


def test_dates_and_zones_that_python_lacks_are_refused_by_column(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    base = {
        "sex": ["male", "female"] * 50,
        "repaid": [("yes", "no")[i // 2 % 2] for i in range(100)],
        "n": [1, 2, 3, 4, 5] * 20,
    }
    for column in (
        pa.array([9999999] * 100, pa.int32()).cast(pa.date32()),
        pa.array([2**62] * 100, pa.duration("s")),
        pa.array([0] * 100, pa.timestamp("ms", tz="Mars/Olympus")),
    ):
        pq.write_table(pa.table(base | {"odd": column}), tmp_path / "t.parquet")
        with pytest.raises(
            PopleakError, match=r"t\.parquet: column 'odd': its values of type .* cannot be read"
        ) as caught:
            load(tmp_path / "t.parquet")
        assert "\n" not in str(caught.value) and "truncated" not in str(caught.value)
        assert "n" in load(tmp_path / "t.parquet", drop=["odd"]).features


# ---- hints


def test_a_mark_that_occurs_nowhere_is_named(tmp_path):
    path = put(tmp_path, people(age=lambda i: -99 if i % 9 == 0 else i % 7))
    assert hints(path, missing=[-99.0]) == []
    assert hints(path, missing=["-999", -99]) == ["options.missing: '-999' occurs in no column that is read"]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"zip_code": lambda i: 1000 + i % 30}, "'zip_code': its 30 whole numbers look like codes"),
        ({"jobcode": lambda i: i % 4}, "'jobcode': its 4 whole numbers look like codes"),
        ({"place": lambda i: f"0{i % 4 + 1}"}, "'place': its 4 whole numbers look like codes"),
        ({"branch7": lambda i: (101, 205, 310)[i % 3]}, "'branch7': its 3 whole numbers look like codes"),
        ({"weight": lambda i: 3 * i + i % 2}, "'weight': has a different number in nearly every row"),
        ({"born": lambda i: 19800101 + i % 28}, "'born': numbers such as 19800101 look like dates"),
        (
            {"income": lambda i: 999999999 if i == 7 else i % 40},
            "'income': 999999999 (1 row) is far from all other values",
        ),
        ({"income": lambda i: -1e9 if i % 50 == 7 else i % 40 / 4}, "'income': -1000000000 (4 rows) is far from all"),
        ({"pay": lambda i: (i * i % 7 < 3) * 100 + i % 90}, "'pay': alone orders the label (AUC 1.000)"),
        ({"recid": lambda i: int(i * i % 7 < 3 or i % 40 == 3)}, "'recid': alone orders the label (AUC 0.9"),
        ({"word": lambda i: "abc"[(i % 5 > 1) * (1 + i % 2)]}, "'word': alone orders the group (AUC 1.000)"),
        ({"paid": lambda i: 5 + i % 8 if i * i % 7 < 3 else ""}, "'paid': alone orders the label (AUC 1.000)"),
        ({"work": lambda i: ("Sales", "sales", "other")[i % 3]}, "'Sales' and 'sales' look like one value"),
    ],
)
def test_a_column_that_misleads_is_named(tmp_path, capsys, column, said):
    path = put(tmp_path, people(**column))
    found = [line for line in hints(path) if line.split("'")[1] == next(iter(column))]
    assert any(said in line for line in found), found
    assert all("\n" not in line for line in found)
    assert found[0] in load(path).facts["hints"], "and on the card"
    assert found[0] in capsys.readouterr().err, "and in the log"


def test_usual_columns_are_not_named(tmp_path):
    random = np.random.default_rng(0)
    path = put(
        tmp_path,
        people(
            1000,
            weight=random.normal(70, 10, 1000).round(3),
            gain=np.where(random.random(1000) < 0.9, 0, random.lognormal(8, 1.5, 1000)).round(),
            children=random.poisson(1.2, 1000),
            schooling=random.choice([8, 10, 12, 16, 18], 1000),
            rare=(random.random(1000) < 0.02).astype(int),
        ),
    )
    assert hints(path) == []


# ---- real files


def real(name: str) -> Path:
    path = Path(DATA or "nowhere") / name
    if not path.is_file():
        pytest.skip("POPLEAK_DATA does not point to a folder with the files")
    return path


ADULT = "age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,gain,loss,hours,country,income"


def test_real_adult_with_both_spellings(tmp_path):
    parts = [real(f"adult/adult.{part}").read_text(encoding="utf-8").strip().splitlines() for part in ("data", "test")]
    path = put(tmp_path, lines(*parts[0], *parts[1][1:], header=ADULT))
    options = {"label": "income", "positive": ">50K", "groups": ["Male", "Female"], "drop": ["fnlwgt"]}
    with pytest.raises(PopleakError, match=r"'>50K\.' \(3846\).*give positive: \['>50K', '>50K\.'\]"):
        load(path, **options)
    records = load(path, **options | {"positive": [">50K", ">50K."]}, negative=["<=50K", "<=50K."])
    assert records.facts["group_rows"] == [32650, 16192]
    assert records.facts["label_rate"] == pytest.approx(0.2393, abs=5e-5)
    assert "gain" in records.features and not any(": 'gain'" in hint for hint in records.facts["hints"])
    with pytest.raises(PopleakError, match="whose first line holds values"):
        load(real("adult/adult.data"), **options)


def test_real_compas(tmp_path):
    path = real("compas/compas-scores-two-years.csv")
    options = {
        "label": "two_year_recid", "positive": 1, "attribute": "race", "groups": ["Caucasian", "African-American"],
        "drop": ["id", "name", "first", "last", "dob"],
    }  # fmt: skip
    with pytest.raises(
        PopleakError, match=r"the name 'decile_score' appears twice in the header \(columns 12 and 40\)"
    ):
        load(path, **options)
    header, rest = path.read_text(encoding="utf-8").split("\n", 1)
    names = header.split(",")
    names[39], names[48] = "decile_score_2", "priors_count_2"
    own = put(tmp_path, ",".join(names) + "\n" + rest)
    findings = examine(own, **options)
    assert {"c_jail_in", "c_case_number", "c_charge_desc", "violent_recid"} < set(findings.columns)
    hinted = hints(own, **options | {"drop": [*options["drop"], *findings.columns]})
    assert any("'is_recid': alone orders the label (AUC 0.97" in hint for hint in hinted)


def test_a_unit_is_asked_of_the_rows_that_are_kept_alone(tmp_path):
    """A row of totals at the end, without label and group, once asked for its missing unit to be filled in."""
    home = [str(i // 2) for i in range(200)]
    whole = people(200, home=home)
    records = load(put(tmp_path, f"{whole},,,,\n"), unit="home")
    assert len(records.y) == 200 and len(np.unique(records.unit)) == 100
    home[4] = ""
    problems = examine(put(tmp_path, people(200, home=home)), unit="home").problems
    (line,) = [line for line in problems if line.startswith("options.unit")]
    assert "column 'home' has 1 missing values in rows with a label and a group, the first in data row 5" in line


def test_each_row_that_is_left_out_is_counted_once(tmp_path):
    sex = ["x" if i % 10 == 0 else "male" if i % 2 else "female" for i in range(200)]
    repaid = ["" if i % 20 == 0 or i == 7 else "yes" if i % 3 else "no" for i in range(200)]
    facts = load(put(tmp_path, people(200, sex=sex, repaid=repaid))).facts
    assert (facts["rows_without_label"], facts["rows_in_neither_group"]) == (11, 10)


def test_groups_that_leave_many_rows_out_are_a_hint_and_few_a_note(tmp_path):
    sex = ["x" if i % 10 == 0 else "male" if i % 2 else "female" for i in range(200)]
    found = examine(put(tmp_path, people(200, sex=sex)))
    assert any("in neither group and left out: 'x' (20): 10 % of the rows" in one for one in found.hints)
    sex = ["x" if i % 100 == 0 else "male" if i % 2 else "female" for i in range(200)]
    found = examine(put(tmp_path, people(200, sex=sex)))
    assert any(one.endswith("in neither group and left out: 'x' (2)") for one in found.notes)
