"""Bias in Bios: made-up biographies in every form that is read, and the real extracts where POPLEAK_DATA says where they are."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic
import pytest

import biographies
import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _fetch, _texts, bias_in_bios
from popleak.stages import split
from popleak.testing.contracts import check_records

DATA = os.environ.get("POPLEAK_DATA")
PLUGIN = plugins.load("datasets", "bias-in-bios")
FEW = ["surgeon", "nurse", "poet"]


def load(folder, **options):
    """Load from files in a folder, by name."""
    chosen = PLUGIN.Settings.model_validate(options)
    files = {source.file: folder / source.file for source in PLUGIN.sources(chosen)}
    return PLUGIN.load(files=files, label="profession", attribute="gender", options=chosen, seed=0)


def own(folder, **options):
    return load(folder, **{"file": "own.parquet", "tables": "own", "dimensions": 16, **options})


@pytest.fixture
def table(tmp_path):
    """A folder with a table of three professions, and its columns."""
    return tmp_path, biographies.write(tmp_path / "own.parquet", rows=900, professions=FEW)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder with the three published tables in small, and their columns."""
    rows = dict(zip(bias_in_bios.PUBLISHED, (2000, 500, 800), strict=True))
    monkeypatch.setattr(bias_in_bios, "_published", lambda: rows)
    found = [biographies.write(tmp_path / name, rows=many, seed=seed) for seed, (name, many) in enumerate(rows.items())]
    return tmp_path, {key: [one for part in found for one in part[key]] for key in found[0]}


# ---- what is read


@pytest.mark.parametrize("features", ["svd", "hashing"])
@pytest.mark.parametrize("professions", [["surgeon", "nurse"], FEW, "all"])
def test_published_tables_keep_the_contract(published, professions, features):
    folder, columns = published
    records = load(folder, tables="published", professions=professions, features=features, dimensions=24)
    options = PLUGIN.Settings(professions=professions)
    classes = PLUGIN.classes(options)
    assert len(classes) == (28 if professions == "all" else len(professions))
    check_records(records, len(classes))
    assert records.groups == ("Male", "Female")
    wanted = [
        (y, a)
        for y, a in zip(columns["profession"], columns["gender"], strict=True)
        if bias_in_bios.PROFESSIONS[y] in classes
    ]
    for label, name in enumerate(classes):
        for group in (0, 1):
            there = wanted.count((bias_in_bios.PROFESSIONS.index(name), group))
            left = int(((records.y == label) & (records.a == group)).sum())
            assert left == there - int(0.2 * there), "each cell gives its share to the public texts"
    assert records.facts["rows"] + records.facts["public_rows"] == len(wanted)
    word = {"svd": "component", "hashing": "bin"}[features]
    assert all(re.fullmatch(rf"{word} \d+", name) for name in records.features), "words could be names"


def test_names_and_codes_mean_the_same(table):
    folder, columns = table
    coded = own(folder, professions=FEW)
    names = [bias_in_bios.PROFESSIONS[code].upper().replace("_", " ") for code in columns["profession"]]
    biographies.write(
        folder / "own.parquet", rows=900, professions=FEW, text="text", profession=names,
        gender=pa.array(["mf"[code] for code in columns["gender"]]).dictionary_encode(),
    )  # fmt: skip
    named = own(folder, professions=FEW)
    unsigned = pa.array(columns["gender"], type=pa.uint8())
    biographies.write(folder / "own.parquet", rows=900, professions=FEW, gender=unsigned)
    assert np.array_equal(own(folder, professions=FEW).a, coded.a)
    for column in ("x", "y", "a", "unit"):
        assert np.array_equal(getattr(coded, column), getattr(named, column)), column


def test_the_text_without_its_first_sentence_is_read(table):
    folder, columns = table
    plain = own(folder, professions=FEW)
    whole = [
        f"A {code} of note. {text}" for code, text in zip(columns["profession"], columns["hard_text"], strict=True)
    ]
    pq.write_table(pa.table({"text": whole, "start": [1] * 900, **columns}), folder / "own.parquet")
    assert np.array_equal(own(folder, professions=FEW).x, plain.x)


def test_empty_texts_are_left_out_and_counted(table):
    folder, columns = table
    texts = [None, "  ", *columns["hard_text"][2:]]
    biographies.write(folder / "own.parquet", rows=900, professions=FEW, hard_text=texts)
    records = own(folder, professions=FEW)
    assert records.facts["empty_texts"] == 2
    assert records.facts["rows"] + records.facts["public_rows"] == 898


def test_order_of_professions_is_that_of_the_labels(table):
    folder, _ = table
    one, other = (own(folder, professions=pair) for pair in (["surgeon", "nurse"], ["nurse", "surgeon"]))
    assert np.array_equal(one.y, 1 - other.y)
    assert one.y[one.a == 1].mean() > one.y[one.a == 0].mean(), "nurses are mostly women"


# ---- which tables


def test_what_is_there_decides():
    there: set[str] = set()
    settle = lambda **options: PLUGIN.settle(PLUGIN.Settings(**options), lambda source: source.file in there)  # noqa: E731
    assert settle()[0].tables == "published"
    assert "nothing else" in settle()[1]
    there |= {"bios_surgeon_nurse.parquet", "train.parquet", "dev.parquet"}
    options, note = settle()
    assert options.tables == "extract"
    assert note.startswith("Bias in Bios, surgeon or nurse (6,385 texts), since")
    assert settle(professions=("nurse", "surgeon"))[0].tables == "extract"
    for others in (("nurse", "poet"), "all"):
        assert settle(professions=others)[0].tables == "published", "the extract has none of them"
    there.add("test.parquet")
    assert settle()[0].tables == "published"
    assert settle(file="mine.parquet")[0].tables == "own"
    assert settle(tables="extract") == (PLUGIN.Settings(tables="extract"), "")


def test_titles_tell_the_tables_apart():
    titles = {
        PLUGIN.card(PLUGIN.Settings.model_validate(options)).title
        for options in (
            {"tables": "extract"},
            {"tables": "extract", "pronouns": "scrubbed"},
            {"tables": "published"},
            {"tables": "small"},
            {"file": "t.parquet", "tables": "own"},
            {"tables": "published", "professions": "all"},
        )
    }
    assert len(titles) == 6
    assert "Bias in Bios, surgeon or nurse (6,385 texts)" in titles


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"professions": ["nurse", "wizard"]}, "'wizard' is not one of them"),
        ({"professions": ["nurse"]}, "two professions at least"),
        ({"professions": ["nurse", "nurse"]}, "named twice"),
        ({"professions": "nurse"}, "all"),
        ({"tables": "own"}, "needs the table's name"),
        ({"tables": "published", "file": "t.parquet"}, "is for tables: own"),
        ({"tables": "extract", "professions": ["nurse", "poet"]}, "surgeons and nurses only"),
        ({"features": "encoder"}, "go together"),
        ({"encoder": "somewhere"}, "go together"),
        ({"public_share": 0}, "greater than 0"),
        ({"dimensions": 1}, "greater than or equal to 2"),
    ],
)
def test_options_that_say_nothing_are_refused(bad, said):
    with pytest.raises(pydantic.ValidationError, match=said):
        PLUGIN.Settings.model_validate(bad)


def test_options_without_effect_change_no_identity():
    shown = PLUGIN.Settings(tables="extract").resolved()
    assert not {"file", "encoder"} & set(shown)
    assert shown["dimensions"] is None


# ---- what a model sees


def test_scrubbing_takes_whole_words_in_any_case():
    texts = pa.array(
        ["She thanks HER theme, The sheriff; Mr. Mrs Ms. msgr himself Herself his hers him he's", "heather misses"],
        type=pa.large_string(),
    )
    words = [re.findall(r"\w+", text) for text in _texts.scrub(texts).to_pylist()]
    assert words == [["thanks", "theme", "The", "sheriff", "msgr", "s"], ["heather", "misses"]]


@pytest.mark.parametrize("features", ["svd", "hashing"])
def test_pronouns_are_seen_if_kept_and_only_then(table, features):
    folder, _ = table
    kept, scrubbed = (own(folder, professions=FEW, features=features, pronouns=one) for one in ("kept", "scrubbed"))
    for column in ("y", "a", "unit"):
        assert np.array_equal(getattr(kept, column), getattr(scrubbed, column)), "the same people in the same pools"
    told = [np.corrcoef(fitted(records.x, records.a), records.a)[0, 1] for records in (kept, scrubbed)]
    assert told[0] > told[1] + 0.2
    # what is left is what the professions tell, which a fit to noise adds a little to
    assert told[1] < np.corrcoef(fitted(np.eye(3)[kept.y], kept.a), kept.a)[0, 1] + 0.15


def fitted(x, target):
    """Return the least-squares fit (N,) of a target to the columns of x."""
    x = np.column_stack([x, np.ones(len(x))])
    return x @ np.linalg.lstsq(x, target, rcond=None)[0]


def test_features_follow_from_the_text_and_the_public_texts_alone():
    texts = [f"word{i % 7} word{i % 5} word{i % 3} alone{i}" for i in range(300)]
    known = np.arange(300) % 3 == 0
    first = _texts.scaled(_texts.svd(texts, known, 5), known)
    changed = [
        text if is_known or i < 10 else "word1 word2"
        for i, (text, is_known) in enumerate(zip(texts, known, strict=True))
    ]
    second = _texts.scaled(_texts.svd(changed, known, 5), known)
    same = known | (np.arange(300) < 10)
    assert np.array_equal(first.values[same], second.values[same])
    assert not np.array_equal(first.values[~same], second.values[~same])
    there = first.values[known]
    assert there.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert there.var(axis=0).mean() == pytest.approx(1, abs=1e-5)


def test_which_texts_are_public_follows_from_the_texts(table):
    folder, columns = table
    order = np.random.default_rng(1).permutation(900)
    first = own(folder, professions=FEW, features="hashing")
    biographies.write(folder / "own.parquet", rows=900, professions=FEW, **{
        name: [values[i] for i in order] for name, values in columns.items()
    })  # fmt: skip
    second = own(folder, professions=FEW, features="hashing")
    rows = [sorted(zip(records.x.round(4).tolist(), records.y, records.a, strict=True)) for records in (first, second)]
    assert rows[0] == rows[1]


def test_public_texts_take_whole_units_of_every_stratum():
    digest = np.random.default_rng(0).permutation(1000).astype(np.uint64)
    unit = np.arange(1000) // 2
    stratum = np.arange(1000) // 500
    public = _texts.public(unit=unit, digest=digest, stratum=stratum, share=0.3)
    assert np.array_equal(public[0::2], public[1::2])
    assert [int(public[stratum == one].sum()) for one in (0, 1)] == [150, 150]
    lowest = np.minimum(digest[0::2], digest[1::2])
    for part in (slice(0, 250), slice(250, 500)):
        assert lowest[part][public[0::2][part]].max() < lowest[part][~public[0::2][part]].min()
    assert not _texts.public(unit=np.arange(4), digest=digest[:4], stratum=np.zeros(4, int), share=0.2).any()


# ---- the same person twice


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen"


def units(*texts: str) -> list[int]:
    plain = _texts.normal(pa.array(texts, type=pa.large_string()))
    return _texts.units(plain, _texts.digests(plain)).tolist()


def test_equal_and_nearly_equal_texts_share_a_unit():
    found = units(
        LONG,
        "other words that are of no use to anyone at all here",
        f"  {LONG.upper()} ",
        f"{LONG} and a sentence more",
        "x",
        "x ",
    )
    assert found[0] == found[2] == found[3]
    assert found[4] == found[5]
    assert len(set(found)) == 3
    half = " ".join(LONG.split()[:7]) + " something else that goes on with quite other words of no use"
    assert len(set(units(LONG, half))) == 2, "three pieces of nine are too few"


def test_a_form_that_many_fill_in_makes_no_unit():
    form = "having more than nine years of diverse experiences especially in care {} affiliates with no hospital at all"
    people = [form.format(f"person{number}") for number in range(30)]
    assert len(set(units(*people))) == 30
    assert len(set(units(*people[:2]))) == 1, "two of them are rather the same"
    assert len(set(units(*people, *people))) == 30, "equal they are all the same"


def test_copies_lie_on_one_side_of_every_split(table):
    folder, columns = table
    doubled = {
        name: values + [f"{one} indeed" if name == "hard_text" else one for one in values]
        for name, values in columns.items()
    }
    biographies.write(folder / "own.parquet", rows=900, professions=FEW, **doubled)
    records = own(folder, professions=FEW, features="hashing")
    assert np.bincount(records.unit)[records.unit].min() == 2
    assert records.facts["rows_like_another"] == records.facts["rows"]
    rng = np.random.default_rng(0)
    pool = split.assign(records.y, records.a, records.unit, (0.4, 0.4), rng)
    for one in np.unique(records.unit):
        assert len(set(pool[records.unit == one])) == 1


# ---- what is wrong is said without a text


def refused(folder, columns, match, **options):
    with pytest.raises(PopleakError, match=match) as caught:
        own(folder, professions=FEW, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert not biographies.told_by(said, [text for text in columns["hard_text"] if text])
    assert not re.search("|".join(biographies.SYLLABLES[1:4]) + "|craft|filler", said, re.I), "no word of a text"


def test_mistakes_name_the_file_and_the_row_and_no_text(table):
    folder, columns = table

    def rewritten(**changes):
        biographies.write(folder / "own.parquet", rows=900, professions=FEW, **changes)

    texts = columns["hard_text"]
    rewritten(profession=texts)
    refused(
        folder,
        columns,
        r"own\.parquet: column 'profession' holds something else in 900 rows, the first is row 1: give a code from 0 to 27",
    )
    rewritten(profession=[*columns["profession"][:16], 28, *columns["profession"][17:]])
    refused(folder, columns, r"column 'profession' holds something else in 1 rows, the first is row 17")
    rewritten(gender=[*columns["gender"][:899], None])
    refused(folder, columns, r"column 'gender' holds something else in 1 rows, the first is row 900: give 0 or M")
    rewritten(gender=[*["MF"[one] for one in columns["gender"][:4]], *texts[4:]])
    refused(folder, columns, r"column 'gender' holds something else in 896 rows, the first is row 5")
    rewritten(gender=[float(one) for one in columns["gender"]])
    refused(folder, columns, r"column 'gender' is of type double: give 0 or M")
    rewritten(gender=[1 - one for one in columns["gender"]])
    refused(folder, columns, r"column 'gender': most nurses have the code 0")
    rewritten(hard_text=[1] * 900)
    refused(folder, columns, r"column 'hard_text' is of type int64: give texts")
    rewritten(profession=[0] * 900)
    refused(folder, columns, r"own\.parquet: has no text of a profession in options\.professions")
    rewritten(hard_text=[" "] * 900)
    refused(folder, columns, r"own\.parquet: has no text that is not empty")
    spoilt = pa.array([b"\xff\xfe", *(text.encode() for text in texts[1:])]).view(pa.string())
    rewritten(hard_text=spoilt)
    refused(folder, columns, r"own\.parquet: column 'hard_text' is not in UTF-8")
    rewritten(profession=pa.array([2**64 - 1, *columns["profession"][1:]], type=pa.uint64()))
    refused(folder, columns, r"column 'profession' holds something else in 1 rows, the first is row 1:")
    biographies.write(folder / "own.parquet", rows=900, professions=FEW, text="biography")
    refused(folder, columns, r"own\.parquet: lacks column 'hard_text'")
    pq.write_table(pa.table({"hard_text": texts, "gender": columns["gender"]}), folder / "own.parquet")
    refused(folder, columns, r"own\.parquet: column 'profession' is there 0 times")
    (folder / "own.parquet").write_text("\n".join(texts))
    refused(folder, columns, r"own\.parquet: truncated or not Parquet")


def test_too_few_public_texts_are_said_with_the_remedy(table):
    folder, columns = table
    refused(
        folder,
        columns,
        r"options\.dimensions: 500 components are more than \d+ public texts give: lower it to \d+ at most",
        dimensions=500,
    )
    refused(
        folder, columns, r"options\.public_share: of 900 different texts, no profession and gender has enough",
        public_share=0.0001, dimensions=4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "features", "said"),
    [
        (["A nurse of note in the town"], "svd", r"own\.parquet: all texts say the same: give a table of different biographies"),
        (["A nurse of note in the town"], "hashing", r"own\.parquet: all texts say the same"),
        (["... !!!"], "hashing", r"own\.parquet: all texts say the same"),
        (["one of these", "one of those", "and a third"], "svd", r"options\.public_share: of 3 different texts, no profession"),
        (["one of these", "one of those", "and a third"], "hashing", r"options\.public_share: of 3 different texts"),
        (["." * (1 + number) for number in range(900)], "svd", r"options\.features: svd finds too few words that two of"),
        (["." * (1 + number) for number in range(900)], "hashing", r"options\.public_share: the public texts do not differ"),
        ([f"word{number}" for number in range(900)], "svd", r"options\.features: svd finds too few words that two of"),
        (["alpha beta gamma " * (1 + number) for number in range(900)], "svd", "the public texts do not differ in any feature"),
        (["alpha beta gamma " * (1 + number) for number in range(900)], "hashing", "the public texts do not differ in any"),
    ],
)  # fmt: skip
def test_texts_that_do_not_differ_are_one_line_without_a_warning(table, recwarn, texts, features, said):
    folder, _ = table
    spread = [texts[number % len(texts)] for number in range(900)]
    biographies.write(folder / "own.parquet", rows=900, professions=FEW, hard_text=spread)
    with pytest.raises(PopleakError, match=said) as caught:
        own(folder, professions=FEW, features=features, dimensions=2)
    assert "\n" not in str(caught.value) and not recwarn.list


def test_a_published_table_with_other_rows_is_refused(published):
    folder, _ = published
    biographies.write(folder / "dev.parquet", rows=499)
    with pytest.raises(PopleakError, match=r"dev\.parquet: rows: expected 500, found 499"):
        load(folder, tables="published", dimensions=4)


# ---- the encoder of a user who has one

MODULE = """
class SentenceTransformer:
    def __init__(self, folder, device, local_files_only, trust_remote_code, model_kwargs):
        assert device == "cpu" and local_files_only and not trust_remote_code and model_kwargs == {"use_safetensors": True}
        with open(folder + "/model.safetensors") as handle:
            self.factor = float(handle.read())
    def encode(self, texts, batch_size, show_progress_bar, convert_to_numpy):
        import numpy as np
        return self.factor * np.array([[len(text), text.count("She "), text.count("craft0")] for text in texts], dtype=np.float32)
"""


@pytest.fixture
def encoder(table, monkeypatch):
    """A folder with a table and an encoder, and a package that loads it; without this package for a first look."""
    folder, columns = table
    files = {name: "{}" for name in _texts.ENCODER} | {"model.safetensors": "1.5"}
    files["modules.json"] = json.dumps(
        [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling")]
    )
    for name, content in files.items():
        path = folder / "encoder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    package = folder / "site" / "sentence_transformers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MODULE)
    if not bias_in_bios.importlib.util.find_spec("sentence_transformers"):
        with pytest.raises(pydantic.ValidationError, match="needs sentence-transformers: install it"):
            PLUGIN.Settings(features="encoder", encoder="encoder")
    monkeypatch.syspath_prepend(str(folder / "site"))
    return folder, columns


def test_an_encoder_of_ones_own(encoder):
    folder, columns = encoder
    records = own(folder, professions=FEW, features="encoder", encoder="encoder", dimensions=None)
    check_records(records, 3)
    assert records.features == ("dimension 0", "dimension 1", "dimension 2")
    assert abs(np.corrcoef(records.x[:, 1], records.a)[0, 1]) > 0.99
    scrubbed = own(folder, professions=FEW, features="encoder", encoder="encoder", pronouns="scrubbed", dimensions=None)
    assert scrubbed.features == ("dimension 0", "dimension 2"), "what is the same for all is left out"
    (folder / "encoder/model.safetensors").write_text("no weights")
    refused(
        folder,
        columns,
        r"encoder: no sentence encoder that can be loaded \(ValueError\)",
        features="encoder",
        encoder="encoder",
    )
    (folder / "encoder/modules.json").write_text('[{"type": "custom_code.Model"}]')
    refused(folder, columns, "has a module custom_code.Model: choose", features="encoder", encoder="encoder")
    (folder / "encoder/modules.json").write_text("[")
    refused(folder, columns, r"modules\.json: not the list", features="encoder", encoder="encoder")


def test_the_encoders_files_are_part_of_the_identity(encoder):
    folder, _ = encoder
    (folder / "bias_in_bios").mkdir()
    (folder / "own.parquet").rename(folder / "bias_in_bios" / "own.parquet")
    options = {"file": "own.parquet", "features": "encoder", "encoder": str(folder / "encoder")}
    task = {"dataset": "bias-in-bios", "rows": 60, "query_rows": 20, "options": options}

    def step(**changes):
        return tiny.build(tasks=[{**task, **changes}, TABLE], data_dir=str(folder))

    (first, _) = step().steps["dataset"].values()
    assert len(first.settings.content) == 1 + len(_texts.ENCODER)
    (folder / "encoder/tokenizer.json").write_text('{"other": 1}')
    (second, _) = step().steps["dataset"].values()
    assert first.id != second.id
    (folder / "encoder/tokenizer.json").unlink()
    built = step()
    assert len(built.steps["dataset"]) == 1
    (said,) = built.absent
    assert "tokenizer.json: options.encoder names the folder of a sentence encoder" in said


TABLE = tiny.raw()["tasks"][0]


def test_absent_tables_are_named_with_their_publisher(tmp_path):
    built = tiny.build(tasks=[{"dataset": "bias-in-bios", "rows": 60, "query_rows": 20}, TABLE], data_dir=str(tmp_path))
    (said,) = built.absent
    assert "no file train.parquet: get the Parquet files of train, dev and test from https://huggingface.co/" in said


def test_rows_auto_counts_what_is_left_for_the_pools(tmp_path):
    columns = biographies.write(tmp_path / "bias_in_bios" / "own.parquet", rows=2000, professions=["surgeon", "nurse"])
    options = PLUGIN.Settings(tables="own", file="own.parquet")
    files = {"own.parquet": tmp_path / "bias_in_bios" / "own.parquet"}
    cells = PLUGIN.cells(files=files, label="profession", attribute="gender", options=options)
    assert sum(map(sum, cells.counts)) == pytest.approx(1600, abs=4)
    assert cells.counts[1][1] == pytest.approx(0.8 * sum(columns["gender"][1::2]), abs=1)
    task = {"dataset": "bias-in-bios", "rows": "auto", "query_rows": "auto", "options": {"file": "own.parquet"}}
    built = tiny.build(tasks=[task], data_dir=str(tmp_path))
    (step,) = (one for one in built.steps["draw"].values() if one.settings.purpose == "base")
    assert 100 < step.settings.rows < 400


# ---- the real extracts


def real(**options):
    chosen = PLUGIN.Settings.model_validate(options)
    (source,) = PLUGIN.sources(chosen)
    path = _fetch.locate("bias-in-bios", source, DATA)
    if path is None:
        pytest.skip("POPLEAK_DATA does not point to a folder with the files")
    _fetch.verify(path, source)
    return load(path.parent, **options)


@pytest.mark.parametrize("features", ["svd", "hashing"])
@pytest.mark.parametrize("pronouns", ["kept", "scrubbed"])
def test_real_extract(pronouns, features):
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    records = real(tables="extract", pronouns=pronouns, features=features)
    check_records(records)
    card = PLUGIN.card(PLUGIN.Settings(tables="extract"))
    about = card.attributes["gender"]
    assert (card.rows, about.rows) == (6385, (3332, 3053))
    assert [f"{100 * rate:.1f}" for rate in (card.label_rate, *about.rates)] == ["44.6", "7.5", "85.1"]
    assert records.facts["rows"] + records.facts["public_rows"] == 6385
    assert records.facts["rows"] == pytest.approx(0.8 * 6385, abs=30)
    assert records.facts["group_rates"] == pytest.approx(about.rates, abs=0.005)
    assert 0 < records.facts["rows_like_another"] < 100
    train = np.random.default_rng(0).random(len(records.y)) < 0.5
    told = {}
    for name, target in (("label", records.y), ("gender", records.a)):
        model = linear.LogisticRegression(max_iter=2000).fit(records.x[train], target[train])
        told[name] = metrics.roc_auc_score(target[~train], model.decision_function(records.x[~train]))
    assert told["label"] > {"svd": 0.97, "hashing": 0.9}[features]
    if pronouns == "kept":
        assert told["gender"] > 0.99
    else:
        assert 0.78 < told["gender"] < 0.93, "the professions still tell of it"


def test_real_small_draw():
    records = real(tables="small", professions="all")
    check_records(records, 25)
    assert records.facts["rows"] + records.facts["public_rows"] == 1877 - 30
