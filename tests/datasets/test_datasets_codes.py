"""Loaders of ready files refuse what they do not know: labels, groups and codes in another coding, or missing."""

from __future__ import annotations

import decimal
import io

import numpy as np
import pytest

from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _cards, _codes, adult, compas, german, lsac
from popleak.datasets.acs_income import SAMPLE, Options
from popleak.datasets.base import Records

pd = pytest.importorskip("pandas")


# ---- ready tables of ACS Income

ROWS = 400


def ready(**columns):
    """Return a made-up ready table; `columns` replace its own, or are added, and None leaves one out."""
    random = np.random.default_rng(0)
    whole = {
        "AGEP": random.integers(15, 96, ROWS), "COW": random.integers(1, 9, ROWS), "SCHL": random.integers(1, 25, ROWS),
        "MAR": random.integers(1, 6, ROWS), "OCCP": random.choice([10, 230, 4720, 9830], ROWS),
        "POBP": random.choice([0, 6, 303], ROWS), "WKHP": random.integers(1, 100, ROWS),
        "SEX": random.integers(1, 3, ROWS), "RAC1P": random.integers(1, 10, ROWS), "LABEL": random.random(ROWS) < 0.4,
    }  # fmt: skip
    return pd.DataFrame({name: values for name, values in {**whole, **columns}.items() if values is not None})


def load(frame, tmp_path, **options) -> Records:
    frame.to_parquet(tmp_path / "t.parquet")
    chosen = Options.model_validate({"format": "parquet", "file": "t.parquet", **options})
    plugin = plugins.load("datasets", "acs-income")
    return plugin.load(
        files={"t.parquet": tmp_path / "t.parquet"}, label="income", attribute="sex", options=chosen, seed=0
    )


PLAIN = ready()["LABEL"]


@pytest.mark.parametrize(
    "label",
    [
        PLAIN.astype(int), PLAIN.astype(float), PLAIN.astype("boolean"), PLAIN.map({True: "1", False: "0"}),
        PLAIN.astype(str), PLAIN.map({True: "true", False: "FALSE"}).astype("category"),
    ],
    ids=["int", "float", "nullable", "digits", "words", "category"],
)  # fmt: skip
def test_a_label_in_any_clear_coding_is_read_alike(label, tmp_path):
    first, other = load(ready(), tmp_path), load(ready(LABEL=label), tmp_path)
    assert 0.3 < first.y.mean() < 0.5
    assert np.array_equal(first.y, other.y)
    assert np.array_equal(first.x, other.x)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        (PLAIN.map({True: ">50K", False: "<=50K"}), r"'<=50K', '>50K' in \d+ rows"),
        (PLAIN.map({True: 1, False: 2}), r"'2' in \d+ rows"),
        (PLAIN.map({True: 1.0, False: np.nan}), r"no value in \d+ rows"),
        (PLAIN.astype(object).where(np.arange(ROWS) != 399, None), "no value in 1 row,"),
        (PLAIN.map({True: 60000, False: 20000}), r"'20000', '60000' in \d+ rows"),
        (PLAIN.map({True: "yes", False: "no"}), r"'no', 'yes' in \d+ rows"),
    ],
    ids=["text", "one-two", "half", "missing", "dollars", "yes-no"],
)
def test_a_label_in_another_coding_is_refused(label, found, tmp_path):
    frame = ready(LABEL=label, AGEP=np.full(ROWS, 40))
    with pytest.raises(
        PopleakError, match=rf"t\.parquet: column 'LABEL' holds {found}.* may hold 0, 1, false, true: give"
    ):
        load(frame, tmp_path)


def test_a_row_that_the_filters_leave_out_needs_no_label(tmp_path):
    frame = ready(LABEL=PLAIN.astype(object).where(ready()["AGEP"] > 16, None))
    assert len(load(frame, tmp_path).y) == (ready()["AGEP"] > 16).sum() < ROWS


def test_a_label_that_is_not_the_incomes_is_refused(tmp_path):
    income = np.where(PLAIN, 60000, 20000)
    assert np.array_equal(load(ready(PINCP=income), tmp_path).y, load(ready(), tmp_path).y)
    assert np.array_equal(load(ready(PINCP=income, LABEL=None), tmp_path).y, load(ready(), tmp_path).y)
    income[np.flatnonzero(ready()["AGEP"] > 16)[:7]] = 50000
    income[0] = -19998
    with pytest.raises(PopleakError, match=r"column 'LABEL' is not PINCP > 50000 in \d rows"):
        load(ready(PINCP=income), tmp_path)


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("OCCP", "Managers", "'Managers' in 400 rows, and may hold 10 to 9920, or nothing"),
        ("OCCP", 12345, "'12345' in 400 rows"),
        ("OCCP", 10.5, "'10.5' in 400 rows"),
        ("SEX", 0, "'0' in 400 rows, and may hold 1 to 2"),
        ("SEX", "male", "'male' in 400 rows"),
        ("RAC1P", 10, "'10' in 400 rows, and may hold 1 to 9"),
        ("MAR", 6, "'6' in 400 rows, and may hold 1 to 5"),
        ("COW", 0, "'0' in 400 rows, and may hold 1 to 9"),
        ("SCHL", 25, "'25' in 400 rows, and may hold 1 to 24"),
        ("AGEP", 1970, "'1970' in 400 rows, and may hold 0 to 120"),
        ("WKHP", np.inf, "'inf' in 400 rows, and may hold 0 to 99"),
        ("POBP", "N/A", "'N/A' in 400 rows, and may hold 0 to 554"),
        ("RELP", 25, "'25' in 400 rows, and may hold 0 to 17"),
        ("ST", "CA", "'CA' in 400 rows, and may hold 1, 2, 4, 5"),
        ("ST", 3, "'3' in 400 rows"),
    ],
)
def test_a_code_that_the_survey_does_not_have_is_refused(column, values, found, tmp_path):
    with pytest.raises(
        PopleakError, match=rf"t\.parquet: column '{column}' holds {found}.*: give the Census Bureau's codes"
    ):
        load(ready(**{column: values}), tmp_path)


def test_codes_as_text_are_the_codes(tmp_path):
    plain, frame = ready(), ready()
    frame["OCCP"] = frame["OCCP"].map("{:04d}".format)
    frame["COW"] = frame["COW"].map(decimal.Decimal)
    frame["MAR"] = frame["MAR"].map(" {} ".format).astype("category")
    assert set(frame["OCCP"]) == {"0010", "0230", "4720", "9830"}
    first, other = load(plain, tmp_path), load(frame, tmp_path)
    assert first.features == other.features
    assert np.array_equal(first.x, other.x)


def test_an_empty_field_is_a_category_of_its_own(tmp_path):
    frame = ready()
    frame["OCCP"] = (
        frame["OCCP"].map("{:04d}".format).where(np.arange(ROWS) % 2 == 0, "").where(np.arange(ROWS) > 9, None)
    )
    records = load(frame, tmp_path)
    missing = records.x[:, records.features.index("OCCP=missing")]
    assert 0.4 < missing.mean() < 0.6


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.Table.from_pandas(ready())
    pq.write_table(table.append_column("OCCP", table["COW"]), tmp_path / "t.parquet")
    options = Options(format="parquet", file="t.parquet")
    files = {"t.parquet": tmp_path / "t.parquet"}
    with pytest.raises(PopleakError, match=r"t\.parquet: column 'OCCP' is there 2 times"):
        plugins.load("datasets", "acs-income").load(
            files=files, label="income", attribute="sex", options=options, seed=0
        )


def test_what_is_called_the_sample_is_the_sample():
    plugin = plugins.load("datasets", "acs-income")
    (source,) = plugin.sources(Options(format="parquet"))
    assert source == _cards.packaged("acs-income").sources()[SAMPLE] and source.sha256
    assert plugin.card(Options(format="parquet")).title == "ACS Income 2018, 100k sample without RELP"
    (other,) = plugin.sources(Options(format="parquet", file="t.parquet"))
    assert other.sha256 is None
    assert plugin.card(Options(format="parquet", file="t.parquet")).title == "ACS Income, table t.parquet"
    assert plugin.card(Options(states=["NY"], year=2021)).title == "ACS Income 2021, person files of NY"


# ---- the other named datasets: files as they should be but for one value

GOOD = {
    "adult": {**dict.fromkeys(adult.COLUMNS, "0"), "sex": "Male", "race": "White", "income": ">50K", "occupation": "Sales",
              "native-country": "?"},
    "compas": {**dict.fromkeys(compas.COLUMNS, "0"), "c_charge_degree": "F", "race": "Other", "sex": "Male", "score_text": "Low"},
    "german": {**dict.fromkeys(german.COLUMNS, "1"), "status-sex": "A91"},
    "lsac": {**dict.fromkeys((*lsac.NUMERIC, *lsac.CATEGORICAL, lsac.LABEL), "1"), "race": "White"},
}  # fmt: skip
MANY = {"adult": 5, "compas": _cards.packaged("compas").expected("file")["rows"], "german": 5, "lsac": 5}
PLACES = [
    (name, column) for name, module in zip(GOOD, (adult, compas, german, lsac), strict=True) for column in module.KNOWN
]


def try_to_load(name: str, tmp_path, **last: str) -> str:
    """Load a made-up file whose last row differs, and return what is said: the counts are always wrong."""
    plugin = plugins.load("datasets", name)
    frame = pd.DataFrame([GOOD[name]] * MANY[name])
    for column, value in last.items():
        frame.loc[len(frame) - 1, column] = value
    text = io.StringIO()
    frame.to_csv(text, index=False, header=name in ("compas", "lsac"), sep=" " if name == "german" else ",")
    files = {}
    for source in plugin.sources(None):
        files[source.file] = tmp_path / source.file
        files[source.file].write_text(text.getvalue())
    with pytest.raises(PopleakError) as error:
        plugin.load(files=files, label=plugin.labels[0], attribute=plugin.attributes[0], options=None, seed=0)
    return str(error.value)


@pytest.mark.parametrize("name", GOOD)
def test_a_file_without_fault_passes_up_to_the_counts(name, tmp_path):
    assert " expected " in try_to_load(name, tmp_path)


@pytest.mark.parametrize(("name", "column"), PLACES)
def test_an_unknown_value_is_never_the_rest(name, column, tmp_path):
    value = "3" if GOOD[name][column] in ("0", "1") else "Unheard-of"
    said = try_to_load(name, tmp_path, **{column: value})
    assert f"column {column!r} holds {value!r}"[:-1] in said or f"column {column!r} holds '{value}.0'" in said
    assert "delete it and fetch the publisher's unchanged file again" in said
    assert "\n" not in said


@pytest.mark.parametrize("value", [">50k", "> 50K", "1", ""])
def test_adults_label_in_another_spelling_is_refused(value, tmp_path):
    said = try_to_load("adult", tmp_path, income=value)
    assert f"column 'income' holds {value!r} in 2 rows, and may hold <=50K, >50K" in said


# ---- the helpers


def test_messages_name_few_values():
    values = pd.Series([f"person {number}" for number in range(100)])
    with pytest.raises(PopleakError) as error:
        _codes.whole(values=values, allowed=range(3), file="f", column="c")
    assert str(error.value).count("person") == _codes.SHOWN
    assert ", ... in 100 rows" in str(error.value)
