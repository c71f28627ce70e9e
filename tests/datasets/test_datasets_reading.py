"""How a user's own file is read: what it holds comes out, or one line says why not. No value may shift, join or vanish."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from own_tables import LOANS, lines, load, people, put
from popleak.core.errors import PopleakError
from popleak.datasets import _numbers, _reading, _tables
from popleak.datasets._sheet import Column


def texts(column: Column) -> list:
    """Return what each row holds, None for an empty field."""
    return [None if code < 0 else column.values[code] for code in column.codes]


# ---- numbers of fields


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["30,male,a,yes", "31,female,sales, retail,yes"], r"line 3: 5 fields where the header has 4: put each field"),
        (
            ["30,male,a,yes", "31,female,yes"],
            r"line 3: 3 fields where the header has 4: let an empty field keep its `,`",
        ),
        (["1,30,male,a,yes", "2,31,female,b,no"], r"line 2: 5 fields where the header has 4, and so in every line"),
        (
            ["30,male,a,yes,", "31,female,a,yes"],
            r"line 3: 4 fields where the header has 4|line 3: 4 fields where the lines",
        ),
        (["30,male,a,yes,", "31,female,sales, retail,yes"], r"line 3: 5 fields where the header has 4"),
        (['30,male,"a\nb",yes', "31,female,a,b,yes"], r"line 4: 5 fields"),
        (['30,male,"a",yes', '31,female,"a"b,yes'], r"line 3: a quote is not closed"),
        (['30,male,"a,yes', "31,female,a,yes"], r"line 3: a quote is not closed"),
    ],
)
def test_uneven_records_are_refused(tmp_path, records, message):
    path = put(tmp_path, lines(*records))
    with pytest.raises(PopleakError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_an_unquoted_decimal_comma_in_a_third_of_the_rows(tmp_path):
    text = lines(*(f"30,{'male' if i % 2 else 'female'},{'1,5' if i % 3 == 0 else '1'},yes" for i in range(60)))
    with pytest.raises(PopleakError, match=r"line 2: 5 fields where the header has 4 \(and so in 19 more\)"):
        load(put(tmp_path, text))


def test_an_empty_last_field_too_many_may_stay(tmp_path):
    plain = put(tmp_path, people(), "plain.csv")
    ended = put(tmp_path, people().replace("\n", ",\n").replace("repaid,\n", "repaid\n"), "ended.csv")
    both = put(tmp_path, people().replace("\n", ",\n"), "both.csv")
    for other in (ended, both):
        assert np.array_equal(load(other).x, load(plain).x)
        assert np.array_equal(load(other).y, load(plain).y)
    with pytest.raises(PopleakError, match=r"line 3: the last column has no name, and a value"):
        load(put(tmp_path, lines("30,male,a,yes,", "31,female,sales, retail,yes", header="age,sex,job,repaid,")))


def test_a_record_may_hold_line_breaks_and_separators(tmp_path):
    path = put(tmp_path, 'a,b\n"1,\n2",x\r\n\n"say ""no""",y\n')
    sheet = _reading.read(path)
    assert texts(sheet.columns["a"]) == ["1,\n2", 'say "no"']
    assert texts(sheet.columns["b"]) == ["x", "y"]


# ---- names


@pytest.mark.parametrize("header", ["id,age,sex,repaid,id", "id, id ,age,sex,repaid", "age,sex,repaid,age,repaid"])
def test_a_name_that_stands_twice_is_refused(tmp_path, header):
    """The copy of a label would be a feature, and that of a dropped identifier would be read."""
    path = put(tmp_path, lines("1,30,male,yes,1", header=header))
    with pytest.raises(
        PopleakError, match=r"the name '\w+' appears twice in the header \(columns \d and \d\): rename one"
    ):
        load(path, drop=["id"])


def test_a_name_that_stands_twice_in_parquet_is_refused(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table([[1, 2], ["male", "female"], ["yes", "no"], [1, 2]], names=["id", "sex", "repaid", "id"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(PopleakError, match=r"t\.parquet: the name 'id' appears twice") as caught:
        load(tmp_path / "t.parquet", drop=["id"])
    assert "\n" not in str(caught.value)


def test_a_column_without_a_name_is_never_read(tmp_path):
    """Such as the index that pandas writes."""
    indexed = "".join(f"{i or ''},{line}\n" for i, line in enumerate(people().splitlines()))
    path = put(tmp_path, indexed)
    assert _reading.header_of(path).unnamed == (0,)
    assert np.array_equal(load(path).x, load(put(tmp_path, people(), "plain.csv")).x)
    with pytest.raises(PopleakError, match="a column without a name is never read"):
        load(path, drop=["Unnamed: 0"])


def test_a_table_without_a_header(tmp_path):
    path = put(tmp_path, "39,male,a,yes\n40,female,b,no\n")
    with pytest.raises(
        PopleakError, match="whose first line holds values: put a line of column names above it"
    ) as caught:
        load(path)
    assert "39" not in str(caught.value).replace(str(tmp_path), "")


# ---- the form of the file


def german(rows: int = 60) -> tuple[str, list[float], list[float]]:
    """Return a table as German programs write it, and its numbers."""
    rates, incomes = [i / 8 for i in range(rows)], [1000.0 + 517 * i for i in range(rows)]
    group = lambda value: f"{value:,.0f}".replace(",", ".")  # noqa: E731
    records = (
        f"{str(rate).replace('.', ',')};{group(income)};{'männlich' if i % 2 else 'weiblich'};{'ja' if i % 3 else 'nein'}"
        for i, (rate, income) in enumerate(zip(rates, incomes))
    )
    return lines(*records, header="rate;einkommen;geschlecht;bezahlt"), rates, incomes


GERMAN = {"label": "bezahlt", "positive": "ja", "attribute": "geschlecht", "groups": ["männlich", "weiblich"]}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings_separators_and_decimal_commas(tmp_path, encoding):
    text, rates, incomes = german()
    records = load(put(tmp_path, text.encode(encoding)), **GERMAN)
    for name, truth in (("rate", rates), ("einkommen", incomes)):
        found = records.x[:, records.features.index(name)]
        assert np.allclose(found, (np.array(truth) - np.mean(truth)) / np.std(truth), atol=1e-5)
    assert records.facts["numbers"] == [
        "column 'rate': '0,0' is read as 0",
        "column 'einkommen': '1.000' is read as 1000",
    ]
    assert records.facts["file"]["separator"] == ";"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path, separator, end):
    path = put(tmp_path, people().replace(",", separator).replace("\n", end))
    assert np.array_equal(load(path).x, load(put(tmp_path, people(), "plain.csv")).x)


def test_packed_files(tmp_path):
    text = people().encode()
    expected = load(put(tmp_path, text)).x
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", text)
    for name, packed in (
        ("t.csv.gz", gzip.compress(text)),
        ("t.bz2", bz2.compress(text)),
        ("t.xz", lzma.compress(text)),
    ):
        put(tmp_path, packed, name)
    for name in ("t.csv.gz", "t.bz2", "t.xz", "t.zip"):
        assert np.array_equal(load(tmp_path / name).x, expected)
    for name in ("t.csv.gz", "t.bz2", "t.xz"):
        path = put(tmp_path, (tmp_path / name).read_bytes()[:-30], f"cut-{name}")
        with pytest.raises(PopleakError, match="truncated or damaged"):
            load(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"\n\n", "is empty"),
        ("t.csv", b"age,sex\n", "has a header and no rows"),
        ("t.csv", b"age\n1\n2\n", "no comma, semicolon, tab or | in its first line"),
        ("t.csv", b"a,b\n1,\0\0\0\n", "holds zero bytes"),
        ("t.xlsx", b"PK\x03\x04", "is an Excel workbook"),
        ("t.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "is an Excel workbook"),
        ("t.sav", b"$FL2", "is an SPSS file"),
        ("t.csv.zst", b"\x28\xb5\x2f\xfd" * 5, "compressed by zstd"),
        ("t.csv", b"a;b,c\n1;2,3\n", "could both be its separator: name one in options.separator"),
        ("t.parquet", b"PAR1 and no more", "truncated or not Parquet"),
    ],
)
def test_what_is_no_table(tmp_path, name, content, message):
    path = put(tmp_path, content, name)
    with pytest.raises(PopleakError, match=message.replace("|", r"\|")) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert "publisher" not in str(caught.value)


def test_an_excel_workbook_by_another_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("[Content_Types].xml", "x")
    with pytest.raises(PopleakError, match="is an Excel workbook"):
        load(tmp_path / "t.csv")


def test_settings_are_followed(tmp_path):
    text = german()[0]
    path = put(tmp_path, text.replace(";", " ").encode("mac-roman"))
    records = load(path, **GERMAN, separator="space", encoding="mac-roman", decimal=",")
    assert records.groups == ("männlich", "weiblich") and "rate" in records.features
    with pytest.raises(PopleakError, match=r"options\.encoding: 'klingon' is unknown"):
        load(path, **GERMAN, encoding="klingon")
    with pytest.raises(PopleakError, match=r"is not utf-8: name its encoding in options\.encoding"):
        load(path, **GERMAN, separator="space", encoding="utf-8")
    assert _reading.read(put(tmp_path, "sep=;\na,b;c\n1;2\n")).columns.keys() == {"a,b", "c"}


@pytest.mark.parametrize("options", [{}, {"encoding": "utf-8"}])
def test_a_dropped_column_is_never_read_under_another_spelling(tmp_path, options):
    """A letter that is not UTF-8, far behind the header, must not change the header's own letters."""
    text = people(6000, décision=lambda i: "refused" if i % 2 else "granted").encode()
    assert len(text) > 2 * _reading.SAMPLE
    end = text + b"30,male,caf\xe9,yes,granted\n"
    with pytest.raises(
        PopleakError, match=r"line 6002: is not UTF-8, as the lines before|is not utf-8: name its encoding"
    ):
        load(put(tmp_path, end), drop=["décision"], **options)
    garbled = load(put(tmp_path, end), drop=["dÃ©cision"], encoding="cp1252")
    assert not any("cision" in name for name in garbled.features)


def test_a_header_that_changes_between_two_looks_is_refused(tmp_path):
    """A byte that Windows-1252 lacks, far behind the header, makes the file Latin-1."""
    text = people(6000, **{"it’s": lambda i: i % 3}).encode("cp1252") + b"30,male,\x81,yes,1\n"
    with pytest.raises(PopleakError, match=r"its header has changed since it was first read .* name the encoding"):
        load(put(tmp_path, text), drop=["it’s"])


@pytest.mark.parametrize("separator", ["||", ", ", "", '"', "\n"])
def test_a_separator_is_one_sign(tmp_path, separator):
    with pytest.raises(PopleakError, match=r"^options\.separator: .* cannot be a separator: give one character"):
        load(put(tmp_path, people()), separator=separator)


@pytest.mark.parametrize("encoding", ["hex", "rot13", "utf-8\0", ""])
def test_an_encoding_is_one_of_text(tmp_path, encoding):
    with pytest.raises(PopleakError, match=r"^options\.encoding: .* is unknown: try utf-8"):
        load(put(tmp_path, people()), encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "idna", "undefined"])
def test_an_encoding_that_does_not_fit_is_told(tmp_path, encoding):
    with pytest.raises(PopleakError, match=r"name its encoding in options\.encoding") as caught:
        load(put(tmp_path, people()), encoding=encoding)
    assert "\n" not in str(caught.value)


# ---- numbers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1", "2.5", "-3e2", "+.5"], [1, 2.5, -300, 0.5]),
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1,234,567", "12"], [1234567, 12]),
        (["1.234.567", "12"], [1234567, 12]),
        (["1.234,50", "7"], [1234.5, 7]),
        (["1,234.50", "7"], [1234.5, 7]),
        (["1 234", "5\u202f678", "9'012"], [1234, 5678, 9012]),
        (["$12", "$1,234,567.50", "-$3"], [12, 1234567.5, -3]),
        (["12 %", "0.5%"], [12, 0.5]),
        (["3 €", "1.200,50 €"], [3, 1200.5]),
        (["\u22125", "5"], [-5, 5]),
        (["1", "NA", "None"], [1, np.nan, np.nan]),
        (["1.234", "2.500"], [1.234, 2.5]),  # a point is the usual sign
        (["0,123", "2,500"], [0.123, 2.5]),
    ],
)
def test_numbers_as_people_write_them(written, read):
    (found,) = _numbers.read({"n": written}, "auto").values()
    assert found.whole
    assert np.array_equal(found.values, read, equal_nan=True)


@pytest.mark.parametrize(
    "written",
    [
        ["$12", "12"],
        ["12 %", "0.12"],
        ["12 kg", "13 kg"],
        ["1,5", "1.5"],
        ["12,34,567"],
        ["1.2.3"],
        ["0x1f"],
        ["1_000"],
    ],
)
def test_what_is_no_number(written):
    assert not _numbers.read({"n": written}, "auto")["n"].whole


def test_thousands_or_decimals_are_told_by_the_file_or_not_at_all(tmp_path):
    unclear = ["1,234", "5,678"]
    assert _numbers.read({"n": unclear}, "auto") == {"n": None}
    assert _numbers.read({"n": unclear, "m": ["0,5"]}, "auto")["n"].values.tolist() == [1.234, 5.678]
    assert _numbers.read({"n": unclear, "m": ["0.5"]}, "auto")["n"].values.tolist() == [1234, 5678]
    assert _numbers.read({"n": unclear, "m": ["0.5"], "k": ["0,5"]}, "auto")["n"] is None
    assert _numbers.read({"n": unclear}, ",")["n"].values.tolist() == [1.234, 5.678]
    assert _numbers.read({"n": ["1.234"], "m": ["0,5"]}, "auto")["n"].values.tolist() == [1234]
    path = put(tmp_path, people(income=lambda i: f'"{i % 9 + 1},{100 + i}"'))
    with pytest.raises(PopleakError, match=r"column 'income': '1,100' may have thousands or decimals: give `decimal:"):
        load(path)
    assert "income" in load(path, decimal=".").features


def test_thousands_written_with_a_point_are_not_taken_for_decimals(tmp_path):
    income = ["53.367", "10.283", "877"]
    assert _numbers.read({"n": income}, "auto")["n"] is None
    assert _numbers.read({"n": income, "m": ["0,5"]}, "auto")["n"].values.tolist() == [53367, 10283, 877]
    assert _numbers.read({"n": income, "m": ["0.5"]}, "auto")["n"].values.tolist() == [53.367, 10.283, 877]
    assert _numbers.read({"n": [*income, "1234"]}, "auto")["n"].values.tolist() == [53.367, 10.283, 877, 1234]
    assert _numbers.read({"n": ["0.123", "12.345"]}, "auto", ";")["n"].values.tolist() == [0.123, 12.345]
    assert _numbers.read({"n": ["1.123", "12.345"]}, "auto", ";")["n"] is None
    path = put(tmp_path, people(income=lambda i: f"{i % 9 + 1}.{100 + i}" if i % 3 else i + 1))
    with pytest.raises(PopleakError, match=r"column 'income': '2\.101' may have thousands or decimals: give `decimal:"):
        load(path)
    rounded = load(put(tmp_path, people(weight=lambda i: f"{i % 9 + 1}.{100 + i}")))
    assert rounded.facts["numbers"] == ["column 'weight': '1.100' is read as 1.1"]


def test_zeros_behind_a_point_that_groups_thousands_count(tmp_path):
    """`10.000` is no `10` where the comma is the decimal sign."""
    wage = lambda i: ("10.000", "10", "2.500")[i % 3]  # noqa: E731
    records = load(put(tmp_path, people(wage=wage)), decimal=",", label="wage", positive="> 1000", drop=["repaid"])
    assert records.y.tolist() == [int(i % 3 != 1) for i in range(200)]
    named = load(
        put(tmp_path, people(wage=wage)), decimal=",", label="wage", positive="10.000", negative=10, drop=["repaid"]
    )
    assert (named.y.sum(), len(named.y)) == (67, 134)
    marked = load(
        put(tmp_path, people(wage=wage)), decimal=",", label="wage", positive="> 5000", drop=["repaid"], missing=[10]
    )
    shown = people(wage=wage, rate=lambda i: f'"0,{i % 7 + 1}"')  # the other column says what the points are
    told = load(put(tmp_path, shown), label="wage", positive="> 5000", drop=["repaid"], missing=[10, 2.5])
    assert told.facts["label_values"] == {"1": {"10.000": 67}, "0": {"2.500": 66}}
    assert marked.facts["rows_without_label"] == sum(i % 3 == 1 for i in range(200))
    with pytest.raises(PopleakError, match="'> 1000' cuts column 'wage', whose numbers may have thousands or decimals"):
        load(put(tmp_path, people(wage=wage)), label="wage", positive="> 1000", drop=["repaid"])


# ---- the known files


def test_known_files_are_counted_too(tmp_path):
    path = put(tmp_path, "a,b,b\n1,2,3\n1,2,3,4\n")
    with pytest.raises(PopleakError, match="the name 'b' appears twice in the header: delete it and fetch"):
        _tables.read_csv(path=path, usecols=["a"])
    with pytest.raises(PopleakError, match="line 3: 4 fields, expected 3: delete it and fetch"):
        _tables.read_csv(path=path, usecols=["a"], twice=("b",))
    short = put(tmp_path, "|comment\n1 2 3\n\n1 2\n", "short.data")
    with pytest.raises(PopleakError, match="line 4: 2 fields, expected 3"):
        _tables.read_csv(path=short, sep=r"\s+", header=None, names=["a", "b", "c"], comment="|")


# ---- any table


def field(letters: str = "ab1,;\t|\"'\n é.%$") -> st.SearchStrategy[str]:
    return st.text(alphabet=letters, max_size=5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_is_read_or_refused(tmp_path, data):
    """Any fields, quoted as the csv module quotes them, under any separator and encoding."""
    width = data.draw(st.integers(2, 4))
    rows = data.draw(st.lists(st.lists(field(), min_size=width, max_size=width), min_size=1, max_size=6))
    separator = data.draw(st.sampled_from(_reading.SEPARATORS))
    encoding = data.draw(st.sampled_from(["utf-8", "latin-1", "utf-16"]))
    names = [f"c{k}" for k in range(width)]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows([names, *rows])
    try:
        sheet = _reading.read(put(tmp_path, out.getvalue().encode(encoding)))
    except PopleakError as error:
        # a lone empty field is written as a quoted one; a separator at the end of each line may stand for none
        assert "fields" in str(error) or "separator" in str(error), error
        return
    if list(sheet.columns) != names:
        assert not set(names) <= set(sheet.columns)
        return
    for k, name in enumerate(names):
        assert texts(sheet.columns[name]) == [row[k].strip() or None for row in rows]


@settings(max_examples=150, deadline=None)
@given(
    numbers=st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=8),
    digits=st.integers(0, 3),
    point=st.sampled_from(".,"),
    grouped=st.booleans(),
    sign=st.sampled_from(["", "$", "%"]),
)
def test_numbers_written_one_way_are_read_or_refused(numbers, digits, point, grouped, sign):
    """Whatever the column holds, it is its own number, or unclear; where the sign is given it is always the number."""
    comma = "." if point == "," else ","

    def write(number: float) -> str:
        text = f"{abs(number):{',' if grouped else ''}.{digits}f}".translate(str.maketrans({",": comma, ".": point}))
        text = f"{sign}{text}" if sign == "$" else f"{text}{sign}"
        return f"-{text}" if number < 0 else text

    truth = [round(number / 10**digits, digits) for number in numbers]
    written = [write(number) for number in truth]
    told = _numbers.read({"n": written}, point)["n"]
    assert told.whole and told.values.tolist() == truth
    found = _numbers.read({"n": written}, "auto")["n"]
    # three digits behind a point are decimals unless another column says that it groups thousands
    usual = point == "," and digits == 0 and grouped and not any(text.count(".") > 1 for text in written)
    assert found is None or found.values.tolist() == truth or usual


def test_reading_is_fast_enough(tmp_path):
    """A hundred thousand records, to be read in well under a second; the limit is that of a busy machine."""
    import time

    path = put(tmp_path, people(100_000))
    begin = time.process_time()
    assert _reading.read(path).rows == 100_000
    assert time.process_time() - begin < 3
    assert LOANS["label"] in _reading.header_of(path).names
