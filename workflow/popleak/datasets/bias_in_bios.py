"""Bias in Bios: which profession does a person have, told from a biography without its first sentence? Web pages in English.

The texts are those of De-Arteaga et al., "Bias in Bios", 2019. They are real people's descriptions of themselves. No text and no word
of one passes `load`: what leaves it are numbered features, a profession and a gender.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from ..core import settings
from ..core.errors import PopleakError
from . import _cards, _tables, _texts
from .base import Card, Cells, Dataset, Records, Source

if TYPE_CHECKING:
    import pyarrow as pa

# in the published order, which is that of their codes
PROFESSIONS = (
    "accountant", "architect", "attorney", "chiropractor", "comedian", "composer", "dentist", "dietitian", "dj", "filmmaker",
    "interior_designer", "journalist", "model", "nurse", "painter", "paralegal", "pastor", "personal_trainer", "photographer",
    "physician", "poet", "professor", "psychologist", "rapper", "software_engineer", "surgeon", "teacher", "yoga_teacher",
)  # fmt: skip
PAIR = ("surgeon", "nurse")
GROUPS = ("Male", "Female")
GENDERS = {"m": 0, "male": 0, "f": 1, "female": 1}
TEXTS = ("hard_text", "text")
"""Names of the column of texts, the first that is there; where both are, `text` still has the sentence that names the profession."""
PUBLISHED = ("train.parquet", "dev.parquet", "test.parquet")
EXTRACT, SMALL = "bios_surgeon_nurse.parquet", "bios_28_professions_small.parquet"
ONE_GENDER = ("filmmaker", "software_engineer", "yoga_teacher")
"""Professions that the small draw has men of only, or women."""
DIMENSIONS = {"svd": 64, "hashing": 512}
LISTED = 4  # professions that a title names


class Options(settings.Settings):
    """Which texts, and what a model sees of them."""

    tables: Literal["auto", "published", "extract", "small", "own"] = "auto"
    """`published`: train.parquet, dev.parquet and test.parquet, put together; `extract`: 6,385 texts of surgeons and nurses; `small`: 1,877
    texts for trying the code with many professions, too few to measure anything; `own`: the table that `file` names. `auto`: `own` where
    `file` names one; the published tables where they lie in the data folder; else the extract where it is there and has the professions."""
    file: str | None = Field(default=None, min_length=1)
    """Name of a Parquet table for `own`, below `<data_dir>/bias_in_bios/`, with columns hard_text (or text), profession and gender."""
    professions: tuple[str, ...] | Literal["all"] = PAIR
    """The label's classes, in this order: two (the second is y = 1) or more, or `all` 28. Texts of others are left out."""
    pronouns: Literal["kept", "scrubbed"] = "kept"
    """`scrubbed`: without he, she, him, his, her, hers, himself, herself, mr, mrs and ms. Names stay: no table says what they are."""
    features: Literal["svd", "hashing", "encoder"] = "svd"
    """`svd`: components of TF-IDF weights, fitted on public texts; `hashing`: words counted in bins, nothing fitted; `encoder`: a frozen
    sentence encoder, whose folder `encoder` names."""
    dimensions: int | None = Field(default=None, ge=_texts.LEAST, le=4096)
    """Number of components or bins; None: 64 components, 512 bins. An encoder has its own."""
    public_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the texts, chosen by their digests in each profession and gender, that are public: what is fitted is fitted on them, whatever
    the features, and no model, adversary or query has them."""
    encoder: str | None = Field(default=None, min_length=1)
    """Folder of a model in the format of sentence-transformers, on this disk: absolute, or below `<data_dir>/bias_in_bios/`."""

    @field_validator("professions")
    @classmethod
    def _known(cls, professions: tuple[str, ...] | str) -> tuple[str, ...] | str:
        if isinstance(professions, str):
            return professions
        for name in professions:
            if name not in PROFESSIONS:
                raise ValueError(f"{name!r} is not one of them: choose from {', '.join(PROFESSIONS)}")
        if len(set(professions)) != len(professions):
            raise ValueError("a profession is named twice")
        if len(professions) < 2:
            raise ValueError("name two professions at least, or all")
        return professions

    @model_validator(mode="after")
    def _whole(self) -> Options:
        if self.tables == "own" and self.file is None:
            raise ValueError("tables: own needs the table's name in `file`")
        if self.file is not None and self.tables not in ("auto", "own"):
            raise ValueError(f"file: {self.file} is for tables: own, not {self.tables}: leave one of them out")
        if self.tables == "extract" and set(self.professions) != set(PAIR):
            raise ValueError("tables: extract has surgeons and nurses only: give these two as professions")
        if (self.features == "encoder") != (self.encoder is not None):
            raise ValueError("features: encoder and a folder in `encoder` go together: give both or neither")
        if self.features == "encoder" and importlib.util.find_spec("sentence_transformers") is None:
            raise ValueError("features: encoder needs sentence-transformers: install it, or choose svd")
        return self

    def unused(self) -> set[str]:
        return {
            *(() if self.tables in ("auto", "own") else ("file",)),
            *(("dimensions",) if self.features == "encoder" else ("encoder",)),
        }

    @property
    def classes(self) -> tuple[str, ...]:
        """The professions by name. Of `all`, the small draw lacks those of one gender."""
        if self.professions != "all":
            return self.professions
        return tuple(name for name in PROFESSIONS if self.tables != "small" or name not in ONE_GENDER)


class BiasInBios(Dataset):
    """Biographies of men and women; group 1 are women, as the pronouns say."""

    name = "bias-in-bios"
    summary = "Bias in Bios: profession from a biography, 28 professions or any of them"
    labels = ("profession",)
    attributes = ("gender",)
    n_features = 64
    Settings = Options

    def sources(self, options: Options) -> tuple[Source, ...]:
        known = _cards.packaged(self.name).sources()
        tables = {
            "extract": (known[EXTRACT],),
            "small": (known[SMALL],),
            "own": (Source(options.file or ""),),
        }.get(options.tables) or tuple(Source(name) for name in PUBLISHED)
        if options.encoder is None:
            return tables
        return (*tables, *(Source(f"{options.encoder}/{name}") for name in _texts.ENCODER))

    def settle(self, options: Options, here: Callable[[Source], bool]) -> tuple[Options, str]:
        """Choose the tables where the options leave it open."""
        if options.tables != "auto":
            return options, ""
        if options.file is not None:
            own = options.model_copy(update={"tables": "own"})
            return own, f"{_title(own)}, since options.file names it"
        published = options.model_copy(update={"tables": "published"})
        if all(here(Source(name)) for name in PUBLISHED):
            return published, f"{_title(published)}, since {', '.join(PUBLISHED)} are here"
        extract = options.model_copy(update={"tables": "extract"})
        if set(options.professions) == set(PAIR) and here(_cards.packaged(self.name).sources()[EXTRACT]):
            return extract, f"{_title(extract)}, since {EXTRACT} is here and the published tables are not"
        return published, f"{_title(published)}, since nothing else that is here has these professions"

    def remedy(self, source: Source) -> str:
        if source.file.endswith(_texts.ENCODER):
            return "options.encoder names the folder of a sentence encoder: save one there with sentence-transformers, weights as safetensors"
        if source.file in PUBLISHED:
            page = _cards.packaged(self.name)["url"]
            return f"get the Parquet files of train, dev and test from {page} and put them into <data_dir>/bias_in_bios/ as {', '.join(PUBLISHED)}"
        return super().remedy(source)

    def classes(self, options: Options) -> tuple[str, ...]:
        return options.classes

    def card(self, options: Options) -> Card:
        classes = options.classes
        about = _cards.packaged(self.name)
        many = f"one of {len(classes)}" if len(classes) > 2 else f"{classes[1]} (1) against {classes[0]} (0)"
        return about.card(
            _known(options), label=self.labels[0], title=_title(options),
            source=f"{about['url']}; https://github.com/microsoft/biosbias", label_text=f"profession: {many}",
            notes=(
                f"{100 * options.public_share:g} % of the texts, chosen by their digests, are public: features are fitted on them and they are in no pool",
                f"pronouns {options.pronouns}",
                f"features: {_described(options)}",
                *about.notes(),
            ),
        )  # fmt: skip

    def reads(self, *, files: Mapping[str, Path], options: Options) -> tuple[str, ...]:
        return (*TEXTS, "profession", "gender")

    def cells(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options) -> Cells | None:
        """Return the counts without the public texts, of two professions. Texts are not read."""
        if len(options.classes) != 2:
            return None
        if options.tables == "extract":
            found = np.array([_cells()[name] for name in options.classes])
        else:
            tables = [_tables.given(files=files, file=name) for name in self._tables_of(options)]
            parts = [_coded(path, options, texts=False)[:2] for path in tables]
            y, a = (np.concatenate(column) for column in zip(*parts, strict=True))
            found = np.array([[((y == one) & (a == group)).sum() for group in (0, 1)] for one in (0, 1)])
        left = found - np.floor(options.public_share * found).astype(int)
        return Cells(tuple((int(men), int(women)) for men, women in left), False)

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        import pyarrow as pa

        _tables.choose(dataset=self, label=label, attribute=attribute)
        names = self._tables_of(options)
        paths = [_tables.given(files=files, file=name) for name in names]
        parts = [_coded(path, options) for path in paths]
        y, a = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
        texts = pa.chunked_array([part[2] for part in parts]).combine_chunks()
        _tables.check(card=self.card(options), attribute=attribute, file=", ".join(names), y=y, group=a)
        plain = _texts.normal(texts)
        empty = np.asarray(plain) == ""
        if empty.all():
            raise PopleakError(
                f"{', '.join(names)}: has no text that is not empty: give a table with the biographies in it"
            )
        if empty.any():
            keep = ~empty
            y, a = y[keep], a[keep]
            texts, plain = (column.filter(pa.array(keep)) for column in (texts, plain))
        digest = _texts.digests(plain)
        unit = _texts.units(plain, digest)
        known = _texts.public(unit=unit, digest=digest, stratum=2 * y.astype(np.int64) + a, share=options.public_share)
        if not known.any():
            many = len(np.unique(unit))
            raise PopleakError(
                f"{', '.join(names)}: all texts say the same: give a table of different biographies" if many == 1 else
                f"options.public_share: of {many:,} different texts, no profession and gender has enough for one to be public: raise it, "
                "or give more texts"
            )  # fmt: skip
        vectors = self._features(texts, known, files, options)
        own = ~known
        y, a, unit = y[own], a[own], unit[own]
        classes = len(options.classes)
        members = np.bincount(unit)
        return Records(
            x=np.ascontiguousarray(vectors.values[own]),
            y=y,
            a=a,
            features=vectors.names,
            groups=GROUPS,
            unit=unit,
            facts={
                **_tables.measured(y=y, a=a, classes=classes),
                "public_rows": int(known.sum()),
                "empty_texts": int(empty.sum()),
                "rows_like_another": int((members[unit] > 1).sum()),
                "features": _described(options),
            },
        )

    def _tables_of(self, options: Options) -> list[str]:
        """Return the names of the tables, without the files of an encoder."""
        return [source.file for source in self.sources(options.model_copy(update={"encoder": None}))]

    def _features(
        self, texts: pa.Array, known: np.ndarray, files: Mapping[str, Path], options: Options
    ) -> _texts.Vectors:
        seen = (_texts.scrub(texts) if options.pronouns == "scrubbed" else texts).to_pylist()
        if options.features == "encoder":
            made = _texts.encoded(seen, Path(files[f"{options.encoder}/{_texts.ENCODER[0]}"]).parent)
        elif options.features == "hashing":
            made = _texts.hashing(seen, _dimensions(options))
        else:
            made = _texts.svd(seen, known, _dimensions(options))
        return _texts.scaled(made, known)


def _dimensions(options: Options) -> int:
    return options.dimensions or DIMENSIONS[options.features]


def _described(options: Options) -> str:
    if options.features == "encoder":
        return "a frozen sentence encoder"
    what = "components of TF-IDF weights" if options.features == "svd" else "bins of hashed words"
    return f"{_dimensions(options)} {what}"


def _cells() -> Mapping[str, tuple[int, int]]:
    """Return men and women of each profession in the extract."""
    found: Mapping[str, tuple[int, int]] = _cards.packaged(BiasInBios.name).expected("extract")["classes"]
    return found


def _published() -> dict[str, int]:
    """Return the rows of each published table."""
    known = _cards.packaged(BiasInBios.name).unpinned()
    return {name: known[name]["rows"] for name in PUBLISHED}


def _known(options: Options) -> Mapping[str, Any]:
    """Return the counts of what the options choose, as a card states them, where the tables are known ones."""
    if options.tables == "published" and options.professions == "all":
        return {"rows": sum(_published().values())}
    if options.tables != "extract":
        return {}
    (men_0, women_0), (men_1, women_1) = (_cells()[name] for name in options.classes)
    men, women = men_0 + men_1, women_0 + women_1
    groups = {"gender": {"rows": (men, women), "labelRates": (men_1 / men, women_1 / women)}}
    return {"rows": men + women, "labelRate": (men_1 + women_1) / (men + women), "groups": groups}


def _title(options: Options) -> str:
    """Return what the texts are, in a few words."""
    classes = options.classes
    which = " or ".join(classes) if len(classes) <= LISTED else f"{len(classes)} professions"
    if options.tables == "extract":
        which += f" ({sum(map(sum, _cells().values())):,} texts)"
    elif options.tables == "small":
        rows = _cards.packaged(BiasInBios.name).expected("small")["rows"]
        which += f", small draw for trying the code ({rows:,} texts)"
    elif options.tables == "own":
        which += f", table {options.file}"
    else:
        which += f", of the {sum(_published().values()):,} published texts"
    return f"Bias in Bios, {which}" + (", pronouns scrubbed" if options.pronouns == "scrubbed" else "")


def _coded(path: Path, options: Options, *, texts: bool = True) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return the label and the group (N,) int8, and the texts (N,) as pyarrow's large strings or None, of the rows with a wanted profession.

    Raises PopleakError naming the file, the column and a row, and never a value: where columns are mixed up it might be a text.
    """
    import pyarrow as pa

    table, text = _read(path, texts)
    expected = _published().get(path.name) if options.tables == "published" else None
    _tables.compare(file=str(path), what="rows", expected=expected, found=table.num_rows)
    profession = _codes(
        table["profession"], {name: code for code, name in enumerate(PROFESSIONS)}, path=path, column="profession",
        said=f"a code from 0 to {len(PROFESSIONS) - 1} or the profession's name",
    )  # fmt: skip
    gender = _codes(table["gender"], GENDERS, path=path, column="gender", said="0 or M for men, 1 or F for women")
    nurses = gender[profession == PROFESSIONS.index("nurse")]
    if pa.types.is_integer(table["gender"].type) and len(nurses) and nurses.mean() < 0.5:
        raise PopleakError(
            f"{path}: column 'gender': most nurses have the code 0, which is men in the published tables: give women the code 1"
        )
    label = np.full(len(PROFESSIONS), -1, dtype=np.int8)
    label[[PROFESSIONS.index(name) for name in options.classes]] = np.arange(len(options.classes))
    y = label[profession]
    keep = y >= 0
    if not keep.any():
        raise PopleakError(f"{path}: has no text of a profession in options.professions: name others")
    said = table[text].combine_chunks().fill_null("").filter(pa.array(keep)) if texts else None
    return y[keep], gender[keep].astype(np.int8), said


def _read(path: Path, texts: bool) -> tuple[pa.Table, str]:
    """Return the wanted columns, texts as large strings, and the name of the texts' one. Raises PopleakError for what is no such table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        handle = pq.ParquetFile(path)
        names = handle.schema_arrow.names
        text = next((name for name in TEXTS if name in names), None)
        wanted = ["profession", "gender", *([text] if text and texts else [])]
        for name in wanted:
            if names.count(name) != 1:
                raise PopleakError(f"{path}: column {name!r} is there {names.count(name)} times: give a table with one")
        if text is None:
            raise PopleakError(f"{path}: lacks column {TEXTS[0]!r}: give a table with the biographies in it")
        table = handle.read(columns=wanted)
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"{path}: truncated or not Parquet ({type(error).__name__}): replace it") from error
    if texts:
        kind = table[text].type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise PopleakError(f"{path}: column {text!r} is of type {kind}: give texts")
        said = table[text].cast(pa.large_string())
        try:
            said.validate(full=True)
        except pa.ArrowInvalid as error:
            raise PopleakError(f"{path}: column {text!r} is not in UTF-8: write the table again") from error
        table = table.set_column(table.column_names.index(text), text, said)
    return table, text


def _codes(values: pa.ChunkedArray, known: Mapping[str, int], *, path: Path, column: str, said: str) -> np.ndarray:
    """Return the codes (N,) int64 of a column of codes or names. Raises PopleakError naming the first row that has neither."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_integer(values.type):
        found = values.cast(pa.int64(), safe=False).fill_null(-1).to_numpy()
        bad = ~np.isin(found, list(known.values()))
    elif (
        pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    ):
        names = pc.replace_substring(pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.large_string()))), " ", "_")
        place = pc.index_in(names, pa.array(list(known), type=pa.large_string())).fill_null(-1).to_numpy()
        found, bad = np.array(list(known.values()))[place], place < 0
    else:
        raise PopleakError(f"{path}: column {column!r} is of type {values.type}: give {said}")
    if bad.any():
        raise PopleakError(
            f"{path}: column {column!r} holds something else in {int(bad.sum()):,} rows, the first is row {int(np.argmax(bad)) + 1:,}: give {said}"
        )
    return found


PLUGIN = BiasInBios()
