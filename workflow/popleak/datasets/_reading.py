"""A user's own table, delimited text or Parquet: its form recognised or named, its columns as they stand in the file.

What was recognised is told in `Sheet.form`; what cannot be read without doubt is refused in one line with the remedy. A
column that is not asked for is never turned into values. Nothing heavy is imported here, since the plan reads headers;
Parquet needs pyarrow, inside the functions of `_parquet`.
"""

from __future__ import annotations

import array
import bz2
import codecs
import contextlib
import csv
import gzip
import io
import itertools
import lzma
import operator
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import PopleakError
from . import _encoding
from ._sheet import Column, Sheet

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
NAMES = {"\t": "tab", " ": "space"}
SAMPLE = 1 << 16
"""Bytes from which the separator and, for a look at the header alone, the encoding are told."""
CHUNK = 4096
PANDAS_INDEX = re.compile(r"__index_level_\d+__")
FOREIGN = {
    ".xls": "an Excel workbook", ".xlsx": "an Excel workbook", ".ods": "a spreadsheet", ".sav": "an SPSS file",
    ".dta": "a Stata file", ".sas7bdat": "a SAS file", ".rds": "an R file", ".rdata": "an R file",
    ".json": "JSON", ".feather": "a Feather file", ".arrow": "an Arrow file", ".orc": "an ORC file",
}  # fmt: skip


class Header(NamedTuple):
    """The names that stand in a header, with their places; `unnamed` are the places without one, which are never read."""

    names: tuple[str, ...]
    places: tuple[int, ...]
    unnamed: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.places) + len(self.unnamed)


class Form(NamedTuple):
    """How a delimited file is written. skip: 1 if its first line is Excel's `sep=`, which is no record."""

    compression: str
    encoding: str
    separator: str
    skip: int = 0


def header_of(path: Path, *, separator: str = "auto", encoding: str = "auto") -> Header:
    """Return the header without reading a row. Raises PopleakError in one line: the file, what is wrong, the remedy."""
    if _is_parquet(path):
        from . import _parquet

        return header(path, _parquet.names(path))
    with _named(path):
        return _header(path, _form(path, separator=separator, encoding=encoding, whole=False))


def read(
    path: Path,
    *,
    skip: Collection[str] = (),
    separator: str = "auto",
    encoding: str = "auto",
    known: Header | None = None,
) -> Sheet:
    """Return all named columns but `skip`. Raises PopleakError as `header_of`, for records of another length, and where the
    header is not the one `known`, by which `skip` was chosen."""
    if _is_parquet(path):
        from . import _parquet

        found = _same(path, header(path, _parquet.names(path)), known)
        return _parquet.read(path, [name for name in found.names if name not in skip])
    with _named(path):
        form = _form(path, separator=separator, encoding=encoding, whole=True)
        found = _same(path, _header(path, form), known)
        wanted = {name: place for name, place in zip(found.names, found.places, strict=True) if name not in skip}
        return _columns(path, form, found, wanted)


def frame(
    path: Path, known: Header, hidden: Collection[str], *, separator: str, encoding: str, missing: Sequence[str]
) -> pd.DataFrame:
    """Return the named columns but those `hidden`, as pandas reads them: numbers, words, and NaN for an empty field. missing: texts of a
    delimited file that are NaN too. Raises PopleakError as `header_of`."""
    import pandas as pd

    kept = [(name, place) for name, place in zip(known.names, known.places, strict=True) if name not in hidden]
    if _is_parquet(path):
        whole = pd.read_parquet(path)
        # an index that pandas wrote under a name is a column of the file
        whole = whole.reset_index([one for one in whole.index.names if one is not None and one not in whole.columns])
        return whole.rename(columns=lambda name: str(name).strip())[[name for name, _ in kept]]
    with _named(path):
        form = _form(path, separator=separator, encoding=encoding, whole=True)
        with _records(path, form) as reader:
            records = _filled(reader)
            next(records)
            fields = _layout(known, next(records, [])).fields
        with _opened(path, form.compression) as raw:
            # a number for each field, as pandas takes the first for an index where lines end in a separator that the header lacks
            found = pd.read_csv(
                raw, sep=form.separator, encoding=form.encoding, skiprows=form.skip, skipinitialspace=True, header=0,
                names=list(range(fields)), index_col=False, usecols=[place for _, place in kept], na_values=list(missing),
                low_memory=False,
            )  # fmt: skip
    found.columns = [name for name, _ in kept]
    return found


def _same(path: Path, found: Header, known: Header | None) -> Header:
    if known is not None and found != known:
        changed = sorted(set(found.names) ^ set(known.names))
        raise PopleakError(
            f"{path}: its header has changed since it was first read ({', '.join(map(repr, changed[:4]))}): name the encoding "
            "in options.encoding, and do not change the file meanwhile"
        )
    return found


def header(path: Path, raw: Sequence[str]) -> Header:
    """Return the header of raw names. Raises PopleakError for a name that stands there twice."""
    names = [name.strip() for name in raw]
    places = [i for i, name in enumerate(names) if name and not PANDAS_INDEX.fullmatch(name)]
    for i in places:
        twice = [j for j in places if names[j] == names[i]]
        if len(twice) > 1:
            where = " and ".join(str(j + 1) for j in twice)
            raise PopleakError(
                f"{path}: the name {names[i]!r} appears twice in the header (columns {where}): rename one"
            )
    return Header(tuple(names[i] for i in places), tuple(places), tuple(set(range(len(names))) - set(places)))


def _is_parquet(path: Path) -> bool:
    with _named(path), open(path, "rb") as handle:
        start = handle.read(8)
    suffix = path.suffix.lower()
    if start.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return True
    if suffix in FOREIGN or start.startswith(b"\xd0\xcf\x11\xe0"):
        kind = FOREIGN.get(suffix, "an Excel workbook")
        raise PopleakError(f"{path}: is {kind}: save the table as .csv or .parquet")
    return False


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what reading a file may raise into one line with the file and the remedy."""
    try:
        yield
    except UnicodeError as error:
        encoding = getattr(error, "encoding", "written in the encoding named")
        raise PopleakError(
            f"{path}: is not {encoding}: name its encoding in options.encoding, or save it as UTF-8"
        ) from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise PopleakError(f"{path}: truncated or damaged ({str(error)[:80]}): write or copy it again") from error
    except OSError as error:
        raise PopleakError(
            f"{path}: cannot be read ({error.strerror or error}): check the path and its rights"
        ) from error


def _opened(path: Path, compression: str) -> gzip.GzipFile | IO[bytes]:
    if compression == "zip":
        archive = zipfile.ZipFile(path)
        members = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if "[Content_Types].xml" in members:
            raise PopleakError(f"{path}: is an Excel workbook: save the sheet as .csv")
        if len(members) != 1:
            raise PopleakError(f"{path}: the archive holds {len(members)} files: unpack it and name one of them")
        return archive.open(members[0])
    if compression == "gzip":
        return gzip.open(path, "rb")
    if compression == "bz2":
        return bz2.open(path, "rb")
    return lzma.open(path, "rb") if compression == "xz" else open(path, "rb")


def _compression(path: Path) -> str:
    with open(path, "rb") as handle:
        start = handle.read(6)
    for magic, name in ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip")):
        if start.startswith(magic):
            return name
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        raise PopleakError(f"{path}: is compressed by zstd: unpack it, or use gzip")
    return ""


def _form(path: Path, *, separator: str, encoding: str, whole: bool) -> Form:
    compression = _compression(path)
    with _opened(path, compression) as handle:
        sample = handle.read(SAMPLE)
        if not sample.strip():
            raise PopleakError(f"{path}: is empty: give a table with a line of column names")
        rest = iter(lambda: handle.read(1 << 20), b"") if whole else ()
        found = _encoding.encoding(path, sample, encoding, itertools.chain([sample], rest), whole)
    text = codecs.getincrementaldecoder(found)(errors="replace").decode(sample)
    announced = re.match(r'"?sep=(.)"?\r?\n', text)
    if announced and separator == "auto":
        separator = announced[1]
    if separator == "auto":
        separator = _separator(path, text, cut=len(sample) == SAMPLE)
    sign = {"tab": "\t", "\\t": "\t", "space": " "}.get(separator, separator)
    if len(sign) != 1 or sign in '"\r\n':
        raise PopleakError(
            f"options.separator: {separator!r} cannot be a separator: give one character, auto, tab or space"
        )
    return Form(compression, found, sign, int(bool(announced)))


def _separator(path: Path, text: str, *, cut: bool) -> str:
    """Return the separator by which most records have as many fields as the first, and of those the one with most fields."""
    found = []
    for separator in SEPARATORS:
        sizes = _sizes(text, separator)
        sizes = sizes[:-1] if cut and len(sizes) > 2 else sizes
        if sizes and sizes[0] > 1:
            found.append((sum(size == sizes[0] for size in sizes) / len(sizes), sizes[0], separator))
    if not found:
        raise PopleakError(
            f"{path}: there is no comma, semicolon, tab or | in its first line: put the column names into the first line, "
            f"and name another separator in options.separator"
        )
    found.sort(key=lambda one: one[:2], reverse=True)
    if len(found) > 1 and found[0][:2] == found[1][:2]:
        signs = " and ".join(repr(separator) for *_, separator in found[:2])
        raise PopleakError(f"{path}: {signs} could both be its separator: name one in options.separator")
    return found[0][2]


def _sizes(text: str, separator: str) -> list[int]:
    """Return the numbers of fields of the first records, up to one whose quotes do not fit this separator."""
    sizes: list[int] = []
    with contextlib.suppress(csv.Error):
        for record in _filled(itertools.islice(_reader(io.StringIO(text, newline=""), separator), 300)):
            sizes.append(len(record))
    return sizes


def _reader(handle: io.TextIOBase, separator: str) -> Any:
    return csv.reader(handle, delimiter=separator, skipinitialspace=True, strict=True)


@contextlib.contextmanager
def _records(path: Path, form: Form) -> Iterator[Any]:
    """Yield a csv reader at the first record, the header."""
    with _opened(path, form.compression) as raw, io.TextIOWrapper(raw, encoding=form.encoding, newline="") as handle:
        for _ in range(form.skip):
            handle.readline()
        reader = _reader(handle, form.separator)
        try:
            yield reader
        except csv.Error as error:
            raise PopleakError(
                f"{path}: line {reader.line_num + form.skip}: a quote is not closed, or is inside a quoted field "
                f"({error}): double each quote inside a field, and put the whole field into quotes"
            ) from error


def _filled(records: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the records that are not an empty line."""
    return (record for record in records if record and record != [""])


def _header(path: Path, form: Form) -> Header:
    with _records(path, form) as reader:
        raw: list[str] = next(_filled(reader), [])
    found = header(path, raw)
    if found.width < 2:
        raise PopleakError(
            f"{path}: the separator {_sign(form.separator)} gives one column: name another in options.separator"
        )
    return found


class _Codes(dict[str, int]):
    """A number for each value, in the order of first sight."""

    def __missing__(self, value: str) -> int:
        self[value] = number = len(self)
        return number


class _Layout(NamedTuple):
    """What every record must be like. fields: how many it has; blank_end: the last has no name, so nothing may stand in it."""

    fields: int
    blank_end: bool

    def fits(self, records: Sequence[list[str]]) -> bool:
        """Return whether all of some records are so."""
        even = set(map(len, records)) == {self.fields}
        return even and not (self.blank_end and any(record[-1].strip() for record in records))


def _layout(found: Header, first: list[str]) -> _Layout:
    """Return what the header and the first record ask of all others: all may end in a separator that the header lacks."""
    extra = len(first) == found.width + 1 and not first[-1].strip()
    return _Layout(found.width + extra, extra or found.width - 1 in found.unnamed)


def _columns(path: Path, form: Form, found: Header, wanted: Mapping[str, int]) -> Sheet:
    """Return the columns at the places `wanted`; every record must have the header's number of fields."""
    tables = {place: _Codes() for place in wanted.values()}
    codes = {place: array.array("i") for place in tables}
    rows, layout = 0, None
    with _records(path, form) as reader:
        next(_filled(reader))
        for records in _chunks(reader):
            layout = layout or _layout(found, records[0])
            if not layout.fits(records):
                raise _uneven(path, form, found, layout)
            rows += len(records)
            for place, table in tables.items():
                codes[place].extend(map(table.__getitem__, map(operator.itemgetter(place), records)))
    if not rows:
        raise PopleakError(f"{path}: has a header and no rows: give a table with rows")
    columns = {
        name: _stripped(np.frombuffer(codes[place], dtype=np.int32), list(tables[place]))
        for name, place in wanted.items()
    }
    return Sheet(columns, rows, _told(form))


def _chunks(reader: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the records that are not an empty line, some thousands at a time."""
    for chunk in iter(lambda: list(itertools.islice(reader, CHUNK)), []):
        if records := list(_filled(chunk)):
            yield records


def _stripped(codes: np.ndarray, values: list[str]) -> Column:
    """Return the column with the space around its values taken away; an empty value is code -1."""
    table = _Codes()
    new = np.array([table[value.strip()] if value.strip() else -1 for value in values], dtype=np.int32)
    return Column(new[codes], list(table))


def _uneven(path: Path, form: Form, found: Header, layout: _Layout) -> PopleakError:
    """Return the error that names the first record that has another number of fields than the header, and both counts."""
    bad, rows = _misfits(path, form, layout)
    (line, size), sign, width = bad[0], _sign(form.separator), found.width
    more = f" (and so in {len(bad) - 1} more)" if len(bad) > 1 else ""
    quote = f"put each field that holds {sign} into double quotes"
    if size == width:
        return PopleakError(
            f"{path}: line {line}: the last column has no name, and a value{more}: name the column in the header, or {quote}"
            if layout.fields == width
            else f"{path}: line {line}: {size} fields where the lines before have {width + 1}{more}: let all lines end alike"
        )
    remedy = quote if size > width else f"let an empty field keep its {sign}"
    if len(bad) == rows > 1 and {size for _, size in bad} == {width + 1}:
        more, remedy = ", and so in every line", "give each column its name in the header"
    return PopleakError(f"{path}: line {line}: {size} fields where the header has {width}{more}: {remedy}")


def _misfits(path: Path, form: Form, layout: _Layout) -> tuple[list[tuple[int, int]], int]:
    """Return line and number of fields of each record that is not as all must be, and how many records there are."""
    bad: list[tuple[int, int]] = []
    with _records(path, form) as reader:
        next(_filled(reader))
        rows, before = 0, reader.line_num
        for record in reader:
            if record and record != [""]:
                rows += 1
                if not layout.fits([record]):
                    bad.append((before + 1 + form.skip, len(record)))
            before = reader.line_num
    return bad, rows


def _sign(separator: str) -> str:
    return NAMES.get(separator, f"`{separator}`")


def _told(form: Form) -> dict[str, str]:
    told = {"separator": NAMES.get(form.separator, form.separator), "encoding": form.encoding}
    return told | ({"compression": form.compression} if form.compression else {})


def check_fields(
    path: Path, *, width: int | None, separator: str | None, comment: str | None, twice: Collection[str], remedy: str
) -> None:
    """Raise PopleakError unless every record of a known file has as many fields as the header, or as `width` says.

    separator: None for runs of spaces; comment: the sign from which on a line does not count; twice: names that may stand in
    the header more than once.
    """
    with _named(path), open(path, encoding="latin-1", newline="") as handle:
        lines = (line.partition(comment)[0] for line in handle) if comment else handle
        records = map(str.split, lines) if separator is None else csv.reader(lines, delimiter=separator)
        number = 0
        for number, record in enumerate(records, 1):
            if not "".join(record).strip():
                continue
            if width is None:
                width = len(record)
                names = [name.strip() for name in record]
                again = sorted({name for name in names if names.count(name) > 1} - set(twice))
                if again:
                    raise PopleakError(f"{path}: the name {again[0]!r} appears twice in the header: {remedy}")
            elif len(record) != width:
                line = getattr(records, "line_num", number)
                raise PopleakError(f"{path}: line {line}: {len(record)} fields, expected {width}: {remedy}")
