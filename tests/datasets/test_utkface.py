"""The dataset utkface: from the publisher's files to records, on made-up pictures, and on the real table where it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
import toy_faces
import whole
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _faces, utkface
from popleak.datasets._fetch import locate
from popleak.datasets.base import Cells
from popleak.plan import build as plan
from popleak.store import parquet as store
from popleak.testing.contracts import check_records

PLUGIN = plugins.load("datasets", "utkface")
FILE = utkface.PREPARED.file
DATA = os.environ.get("POPLEAK_DATA")
ALL = ((label, attribute) for label in PLUGIN.labels for attribute in PLUGIN.attributes)
TASKS = [(label, attribute) for label, attribute in ALL if label != attribute]


def prepared(origin: Path, folder: Path) -> Path:
    PLUGIN.prepare(origin, folder / "utkface")
    return folder / "utkface" / FILE


def load(path: Path, label="gender", attribute="race", **options):
    chosen = PLUGIN.Settings(source="prepared", complete=False, **options)
    return PLUGIN.load(files={FILE: path}, label=label, attribute=attribute, options=chosen, seed=0)


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    return toy_faces.write_all_kinds(tmp_path_factory.mktemp("faces") / "UTKFace")


# ---- from the table to records


def test_copies_that_contradict_each_other_are_left_out(origin, tmp_path):
    faces = _faces.read([prepared(origin, tmp_path)], "")
    records = load(tmp_path / "utkface" / FILE)
    check_records(records)
    assert records.facts["rows_with_contradictory_copies"] == 7 == _faces.contradictory(faces).sum()
    assert len(records.y) == 131 - 7


@pytest.mark.parametrize(("label", "attribute"), TASKS)
def test_labels_groups_and_the_second_attribute(origin, tmp_path, label, attribute):
    faces = _faces.read([prepared(origin, tmp_path)], "")
    faces = faces.at(~_faces.contradictory(faces))
    records = load(tmp_path / "utkface" / FILE, label, attribute)
    keep = faces.race < 2 if attribute == "white-black" else faces.race < 9
    group = {"race": faces.race > 0, "white-black": faces.race == 1, "gender": faces.gender == 1}[attribute]
    labels = faces.gender == 1 if label == "gender" else faces.age > 30
    assert np.array_equal(records.y, labels[keep]) and np.array_equal(records.a, group[keep])
    assert records.groups == PLUGIN.card_of(label, PLUGIN.Settings()).attributes[attribute].groups
    assert records.facts["rows_in_neither_group"] == (~keep).sum()
    second = records.facts["second_attribute"]
    assert second not in (label, attribute)
    told = np.array(records.facts["subgroups"])[records.subgroup]
    one = {"age-over-30": (faces.age > 30, "above 30"), "race": (faces.race > 0, "Non-White"), "gender": (faces.gender == 1, "Female")}  # fmt: skip
    assert np.array_equal(told == one[second][1], one[second][0][keep])
    assert PLUGIN.card_of(label, PLUGIN.Settings()).label.startswith(label)


def test_one_picture_is_one_unit(origin, tmp_path):
    faces = _faces.read([prepared(origin, tmp_path)], "")
    unit = _faces.pictures(faces)
    ages = {age: unit[(faces.age == age) & (faces.race < 2)] for age in (40, 41, 42, 43)}
    spread = np.flatnonzero(np.bincount(unit) > 1)
    largest = max(spread, key=lambda number: (unit == number).sum())
    assert (unit == largest).sum() == 4, "two equal files, one that was saved again, and one mirrored"
    assert all(largest in found for found in ages.values())
    assert len(spread) == 1 + 3, "and the copies that contradict each other, but for that of a minor"
    assert np.array_equal(load(tmp_path / "utkface" / FILE).unit >= 0, np.ones(124, bool))


def test_similar_finds_what_a_plain_comparison_finds(origin, tmp_path, monkeypatch):
    monkeypatch.setattr(_faces, "BLOCK", 50)
    pixels = _faces.read([prepared(origin, tmp_path)], "").pixels
    thumbs = pixels.reshape(-1, 12, 4, 12, 4).mean(axis=(2, 4))
    plain = np.corrcoef(thumbs.reshape(len(thumbs), -1))
    mirror = np.corrcoef(thumbs.reshape(len(thumbs), -1), thumbs[:, :, ::-1].reshape(len(thumbs), -1))
    mirror = mirror[len(thumbs) :, : len(thumbs)]
    i, j, correlation = _faces.similar(pixels, 0.3)
    found = {(int(a), int(b), round(float(c), 9)) for a, b, c in zip(i, j, correlation, strict=True)}
    wanted = {
        (a, b, round(float(table[a, b]), 9))
        for table in (plain, mirror)
        for a in range(len(thumbs))
        for b in range(a + 1, len(thumbs))
        if table[a, b] >= 0.3
    }
    assert found == wanted and len(wanted) > 100


def test_a_blank_picture_is_like_no_other():
    pixels = np.stack([np.full((48, 48), 7, np.uint8), np.full((48, 48), 7, np.uint8)])
    assert len(_faces.similar(pixels, 0.97)[0]) == 0


@pytest.mark.parametrize("side", [24, 48])
def test_pixels_need_no_row_to_be_standardised(origin, tmp_path, side):
    path = prepared(origin, tmp_path)
    records = load(path, side=side)
    faces = _faces.read([path], "")
    faces = faces.at(~_faces.contradictory(faces))
    assert PLUGIN.shape(PLUGIN.Settings(side=side)) == (1, side, side)
    assert records.x.shape == (124, side * side) and PLUGIN.width(PLUGIN.Settings(side=side)) == side * side
    assert np.array_equal(
        records.x[:, -1], ((_faces.shrunk(faces.pixels, side)[:, -1, -1] - 121) / 59).astype(np.float32)
    )


def test_components_are_those_of_all_rows_of_the_task(origin, tmp_path):
    from sklearn.decomposition import PCA

    path = prepared(origin, tmp_path)
    records = load(path, features="pca", components=5)
    pixels = load(path).x.astype(np.float64)
    wanted = PCA(5, whiten=True, svd_solver="full").fit_transform(pixels)
    assert records.x == pytest.approx(wanted, abs=2e-4)
    assert (records.x * 4096 == np.rint(records.x * 4096)).all()
    assert PLUGIN.shape(PLUGIN.Settings(features="pca")) is None
    assert PLUGIN.width(PLUGIN.Settings(features="pca", components=5)) == 5
    with pytest.raises(PopleakError, match=r"options.components: 200 of pictures that allow 124"):
        load(path, features="pca", components=200)


def test_gradients(origin, tmp_path):
    pytest.importorskip("skimage")
    path = prepared(origin, tmp_path)
    records = load(path, features="hog")
    assert records.x.shape == (124, PLUGIN.width(PLUGIN.Settings(features="hog")))
    assert records.x.mean(axis=0) == pytest.approx(0, abs=1e-5) and records.x.std(axis=0) == pytest.approx(1, abs=1e-4)


# ---- in a plan


def build(folder: Path, **task) -> plan.Plan:
    options = {"complete": False, **task.pop("options", {})}
    tasks = [{"dataset": "utkface", "rows": 20, "query_rows": 10, "options": options, **task}]
    models = task.pop("models", [{"name": "cnn", "settings": {"channels": [2]}}])
    tasks[0].pop("models", None)
    return tiny.build(tasks=tasks, models=models, data_dir=str(folder))


def test_without_its_file_the_task_is_left_out_and_the_remedy_said(tmp_path):
    both = [{"dataset": "utkface", "rows": 20, "query_rows": 10}, tiny.raw()["tasks"][0]]
    whole_plan = tiny.build(tasks=both, data_dir=str(tmp_path))
    said = "\n".join(whole_plan.notices())
    assert (
        "no file utkface_grey48.parquet: get the aligned and cropped faces from https://susanqq.github.io/UTKFace/"
        in said
    )
    assert "run `popleak prepare utkface FOLDER_OR_ARCHIVE`" in said


def test_the_step_is_of_the_tables_content(origin, tmp_path):
    path = prepared(origin, tmp_path)
    one, again = build(tmp_path), build(tmp_path)
    assert list(one.steps["dataset"]) == list(again.steps["dataset"])
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    other = build(tmp_path)
    assert not set(one.steps["dataset"]) & set(other.steps["dataset"])
    (path.parent / "more.jpg").write_bytes(b"")  # what else lies there does not count
    assert list(build(tmp_path).steps["dataset"]) == list(other.steps["dataset"])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"attribute": "gender"}, "attribute 'gender' is the label: choose another, or label: age-over-30"),
        ({"options": {"features": "pca"}}, "model 'cnn'"),
        ({"options": {"side": 32}}, "side"),
    ],
)
def test_what_cannot_be_is_refused_before_a_job(origin, tmp_path, task, message):
    prepared(origin, tmp_path)
    with pytest.raises(PopleakError, match=message):
        build(tmp_path, **task)


def test_gradients_without_their_library_are_refused_before_a_job(origin, tmp_path, monkeypatch):
    prepared(origin, tmp_path)
    mlp = [{"name": "mlp", "settings": {"widths": [4]}}]
    monkeypatch.setattr(_faces, "no_gradients", lambda: "options.features: hog needs scikit-image: what to do")
    with pytest.raises(PopleakError, match=r"utkface: options\.features: hog needs scikit-image"):
        build(tmp_path, options={"features": "hog"}, models=mlp)
    with pytest.raises(PopleakError, match="hog needs scikit-image"):
        load(tmp_path / "utkface" / FILE, features="hog")
    assert build(tmp_path, options={"features": "pca", "components": 8}, models=mlp).steps["dataset"]


def test_no_gradients_says_what_is_missing(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert (
        _faces.no_gradients()
        == "options.features: hog needs scikit-image: pip install 'popleak[images]', or choose pca"
    )


def test_a_part_of_the_set_does_not_pass_for_all_of_it(origin, tmp_path):
    path = prepared(origin, tmp_path)
    with pytest.raises(PopleakError, match=r"rows: expected 19200, found 124: .*, or give the option complete: false"):
        PLUGIN.load(files={FILE: path}, label="gender", attribute="race", options=PLUGIN.Settings(source="prepared"), seed=0)  # fmt: skip
    assert PLUGIN.card(PLUGIN.Settings(complete=False)).rows is None
    assert "a part of the published set" in PLUGIN.card(PLUGIN.Settings(complete=False)).title


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("race"), "'race' is not there"),
        (lambda t: t.set_column(0, "age", pa.array([17] * t.num_rows, pa.int16())), "'age' must hold whole numbers from 18"),
        (lambda t: t.set_column(0, "age", pa.array([None] * t.num_rows, pa.int16())), "'age' has empty fields"),
        (lambda t: t.set_column(1, "gender", pa.array(["0"] * t.num_rows)), "'gender' must hold whole numbers"),
        (lambda t: t.set_column(4, "pixels", pa.array([b"a" * 576] * t.num_rows, pa.binary(576))), "48 x 48 bytes a row"),
        (lambda t: t.append_column("age", t["age"]), "column 'age' is there 2 times: delete it, and get"),
        (lambda t: t.append_column("pixels", t["pixels"]), "column 'pixels' is there 2 times"),
        (lambda t: t.set_column(3, "dup_group", pa.array([2**64 - 1] * t.num_rows, pa.uint64())), "'dup_group' must hold whole"),
        (lambda t: t.slice(0, 0), "holds no rows: delete it, and get"),
        (lambda t: t.set_column(3, "dup_group", pa.array(range(t.num_rows), pa.int32())), "every picture has a copy with other labels"),
        (None, "not the table of pictures expected"),
    ],
)  # fmt: skip
def test_another_table_is_refused_by_the_plan_and_by_the_loader(origin, tmp_path, change, message):
    path = prepared(origin, tmp_path)
    if change is None:
        path.write_bytes(path.read_bytes()[:-100])
    else:
        pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(PopleakError, match=message) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ") and "popleak prepare utkface" in str(raised.value)
    with pytest.raises(PopleakError, match="config: tasks: ") as planned:
        build(tmp_path)
    assert str(planned.value).endswith(str(raised.value))


def test_a_table_of_one_group_or_one_label_is_refused(origin, tmp_path):
    path = prepared(origin, tmp_path)
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "race", pa.array([3] * table.num_rows, pa.int8())), path)
    for attribute in ("race", "white-black"):
        with pytest.raises(PopleakError, match="no picture is of the group White: choose another attribute"):
            load(path, attribute=attribute)
    with pytest.raises(PopleakError, match=r"config: tasks: .* no picture is of the group White"):
        build(tmp_path)
    pq.write_table(table.set_column(1, "gender", pa.array([1] * table.num_rows, pa.int8())), path)
    with pytest.raises(PopleakError, match="all pictures have the same gender: choose another label"):
        load(path)


@pytest.mark.parametrize(("label", "attribute"), TASKS)
def test_a_part_of_the_set_is_counted_before_it_is_loaded(origin, tmp_path, label, attribute):
    path = prepared(origin, tmp_path)
    options = PLUGIN.Settings(source="prepared", complete=False)
    counted = PLUGIN.cells(files={FILE: path}, label=label, attribute=attribute, options=options)
    records = load(path, label, attribute)
    assert counted == Cells.of(records.y, records.a, exact=False)


def test_parts_are_taken_where_both_are_there():
    asked = PLUGIN.Settings()
    parts = PLUGIN.sources(PLUGIN.Settings(source="parts"))
    one = parts[0]
    assert PLUGIN.settle(asked, lambda source: source in parts)[0].source == "parts"
    assert PLUGIN.settle(asked, lambda source: source == one)[0].source == "prepared"
    assert PLUGIN.settle(asked, lambda source: True)[0].source == "prepared"


# ---- the real table


def real(label: str, attribute: str, **options):
    chosen, _ = PLUGIN.settle(PLUGIN.Settings(**options), lambda source: locate("utkface", source, DATA) is not None)
    files = {source.file: locate("utkface", source, DATA) for source in PLUGIN.sources(chosen)}
    if DATA is None or None in files.values():
        pytest.skip("POPLEAK_DATA does not point to a folder with the files")
    return PLUGIN.load(files=files, label=label, attribute=attribute, options=chosen, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(("label", "attribute"), TASKS)
def test_the_real_set_is_what_its_card_says(label, attribute, monkeypatch):
    monkeypatch.setattr(_faces, "pictures", lambda faces: np.arange(len(faces.age)))  # seconds, and the next test's
    records = real(label, attribute)
    check_records(records)
    card = PLUGIN.card_of(label, PLUGIN.Settings())
    about = card.attributes[attribute]
    assert tuple(records.facts["group_rows"]) == about.rows
    assert records.facts["group_rates"] == pytest.approx(about.rates, abs=5e-5)
    assert card.rows == len(records.y) + records.facts["rows_in_neither_group"]


@pytest.mark.slow
def test_near_copies_of_the_real_set():
    facts = real("gender", "race", features="pca").facts
    assert facts["rows_with_contradictory_copies"] == 272
    assert facts["groups_of_near_copies"] == pytest.approx(650, abs=2), (
        "another library may round otherwise at the threshold"
    )
    assert facts["largest_group_of_near_copies"] <= 6


def experiment(folder: Path, tasks: list[dict], **more) -> plan.Plan:
    return plan.build(config.load(tiny.raw(
        tasks=tasks, models=[{"name": "cnn", "settings": {"channels": [4]}}], defences=["none"], attacks=["kl"],
        data_dir=str(folder), **more,
    )))  # fmt: skip


@pytest.mark.slow
def test_the_real_set_from_pictures_to_leakage(tmp_path, monkeypatch):
    """A small net learns gender, and each victim gets a verdict."""
    if DATA is None or not (Path(DATA) / "utkface").is_dir():
        pytest.skip("POPLEAK_DATA does not point to a folder with the files")
    monkeypatch.chdir(tmp_path)
    chosen = experiment(
        Path(DATA), [{"dataset": "utkface", "attribute": "race", "rows": 600, "query_rows": 300}],
        training={"epochs": 8, "batch": 32, "learning_rate": 0.005},
    )  # fmt: skip
    whole.run(chosen, "models", "scores")
    models = store.read(Path(chosen.tables["models"].outputs["table"])).to_pandas()
    scores = store.read(Path(chosen.tables["scores"].outputs["table"])).to_pandas()
    assert models["accuracy"].mean() > 0.65
    assert (scores["adversary"] == "kl").all() and len(scores) == 2 * 4


# ---- the benchmark


def test_the_benchmark_fills_its_page(tmp_path, monkeypatch):
    import faces

    toy_faces.write(tmp_path / "UTKFace", 150)
    prepared(tmp_path / "UTKFace", tmp_path)
    monkeypatch.setenv("POPLEAK_DATA", str(tmp_path))
    page = tmp_path / "page.md"
    marks = [mark.format(name) for name in ("near", "learned") for mark in faces.MARK]
    page.write_text("before\n" + "\nold\n".join(marks) + "\nafter")
    for name, value in {
        "PAGE": page, "ROWS": 40, "TEST": 50, "EDGES": (0.0, 0.5, 1.0),
        "FEATURES": {"pca": ({"complete": False, "features": "pca", "components": 4}, "mlp", {"widths": (4,)})},
    }.items():  # fmt: skip
        monkeypatch.setattr(faces, name, value)
    faces.work(2)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter") and all(mark in text for mark in marks)
    assert "| any two pictures |" in text and "| 0.00 to 0.50 |" in text and "| gender | pca | mlp | " in text
    monkeypatch.setenv("POPLEAK_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(PopleakError, match="popleak prepare utkface"):
        faces.work(2)


# ---- what leaves the store


@pytest.mark.dag
def test_neither_names_nor_pixels_leave_the_records(tmp_path):
    """One run of Snakemake to the report, on made-up pictures: every file of it but the records is searched."""
    import yaml

    import runs
    import warm

    folder = runs.copy(tmp_path)
    names = toy_faces.write(tmp_path / "UTKFace", 500)
    path = prepared(tmp_path / "UTKFace", folder / "data")
    raw = tiny.raw(
        tasks=[{"dataset": "utkface", "rows": 20, "query_rows": 10, "options": {"complete": False}}],
        models=[{"name": "cnn", "settings": {"channels": [2]}}], defences=["none"], attacks=["kl"], data_dir="data",
    )  # fmt: skip
    (folder / "faces.yaml").write_text(yaml.safe_dump(raw))
    runs.snakemake(folder, "--cores", "1", "--configfile", "faces.yaml")
    words = ("popleak", "pack", "packed", "--configfile", "faces.yaml", "--key", "key.parquet")
    packed = tiny.command(*words, cwd=folder, path=folder / "workflow", python=warm.python())
    assert packed.returncode == 0, packed.stderr
    pixels = _faces.shrunk(_faces.read([path], "").pixels, 24).reshape(-1, 576)
    scaled = ((pixels - 121) / 59).astype(np.float32)
    stamps = [name.split("_")[3].partition(".")[0].encode() for name in names]
    seen = 0
    for file in [*folder.glob("results/**/*"), *folder.glob("packed/**/*"), folder / "key.parquet"]:
        if not file.is_file() or ".snakemake" in file.parts:
            continue
        seen += 1
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content = b"".join(_buffers(pq.read_table(file)))
        assert not any(stamp in content for stamp in stamps), file
        is_records = file.parent == folder / "results" / "store" / "dataset"
        found = any(row[200:216].tobytes() in content for row in scaled)
        assert found == (is_records and file.suffix == ".parquet"), file
        assert not any(row.astype(np.uint8)[200:232].tobytes() in content for row in pixels), file
        assert file.suffix not in (".jpg", ".jpeg")
    assert seen > 20
    card = next(step for step in (folder / "results").glob("*/report.html")).read_text()
    assert "UTKFace, adults, 24 x 24 grey, a part of the published set" in card
    assert "a model&#39;s guess" in card or "a model's guess" in card


def _buffers(table: pa.Table):
    for column in table.columns:
        for chunk in column.chunks:
            yield from (buffer.to_pybytes() for buffer in chunk.buffers() if buffer is not None)
            if pa.types.is_fixed_size_list(chunk.type) or pa.types.is_list(chunk.type):
                yield chunk.flatten().to_numpy(zero_copy_only=False).tobytes()
