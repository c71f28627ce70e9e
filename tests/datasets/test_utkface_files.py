"""The dataset utkface: from the publisher's files to its table, on made-up pictures."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import toy_faces
from popleak import cli
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _faces, utkface

PLUGIN = plugins.load("datasets", "utkface")
FILE = utkface.PREPARED.file


def prepared(origin: Path, folder: Path) -> Path:
    PLUGIN.prepare(origin, folder / "utkface")
    return folder / "utkface" / FILE


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    return toy_faces.write_all_kinds(tmp_path_factory.mktemp("faces") / "UTKFace")


def test_the_table_holds_adults_in_an_order_that_no_name_tells(origin, tmp_path):
    said = PLUGIN.prepare(origin, tmp_path)
    table = pq.read_table(tmp_path / FILE)
    assert (
        said[0] == "136 files, not the whole published set of 23,708, so a task needs `complete: false` in its options"
    )
    assert said[1] == "left out: 3 of the 3 files whose published names lack a label, 2 of minors"
    assert table.column_names == ["age", "gender", "race", "dup_group", "pixels"]
    assert table.num_rows == 131 and min(table["age"].to_pylist()) == 18
    raw = (tmp_path / FILE).read_bytes()
    assert b"2017010" not in raw and b".jpg" not in raw, "no name, in no form"
    assert sum(number >= 0 for number in table["dup_group"].to_pylist()) == 2 + 4 * 2 - 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE], "nothing is unpacked"


def test_pixels_are_the_pictures(origin, tmp_path):
    from PIL import Image

    faces = _faces.read([prepared(origin, tmp_path)], "")
    chosen = next(path for path in origin.iterdir() if path.name.startswith("41_0_0_20170100000000202"))
    with Image.open(chosen) as image:
        wanted = np.asarray(image.convert("L").resize((48, 48), Image.Resampling.LANCZOS))
    assert (faces.pixels == wanted).all(axis=(1, 2)).sum() == 2  # it and its copy
    assert np.array_equal(_faces.shrunk(faces.pixels, 24)[:, 3, 5], faces.pixels[:, 6:8, 10:12].mean(axis=(1, 2)))


@pytest.mark.parametrize("kind", ["tar.gz", "tar", "zip", "folders"])
def test_an_archive_gives_the_same_bytes(origin, tmp_path, kind):
    wanted = prepared(origin, tmp_path / "a").read_bytes()
    packed = tmp_path / f"faces.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in origin.iterdir():
                archive.write(path, f"UTKFace/{path.name}")
    elif kind == "folders":
        for number, path in enumerate(origin.iterdir()):
            (packed / str(number % 3)).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, packed / str(number % 3) / path.name)
    else:
        with tarfile.open(packed, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(origin, "UTKFace")
    assert prepared(packed, tmp_path / "b").read_bytes() == wanted


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("40_1_20170109150557335.jpg", None, "40_1_20170109150557335.jpg: the name is not"),
        ("140_1_0_20170109150557335.jpg", None, "the name is not"),
        ("40_2_0_20170109150557335.jpg", None, "the name is not"),
        ("40_1_5_20170109150557335.jpg", None, "the name is not"),
        ("portrait.jpg", None, "portrait.jpg: the name is not"),
        ("40_1_0_20170109150557335.jpg", b"\xff\xd8\xff\xe0 cut", "not a whole JPEG file"),
        ("40_1_0_20170109150557335.jpg", "tall", "is 64 x 60 pixels, not a square of 48 or more"),
        ("40_1_0_20170109150557335.jpg", "small", "is 32 x 32 pixels, not a square of 48 or more"),
        ("40_1_0_20170109150557335.jpg", "png", "not a whole JPEG file"),
        ("sub/" + toy_faces.name(201, 40, 0, 0), None, "is there twice"),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_written(origin, tmp_path, name, data, message):
    from PIL import Image

    folder = tmp_path / "faces"
    shutil.copytree(origin, folder)
    pixels = toy_faces.picture(np.random.default_rng(3))
    if data == "png":
        handle = io.BytesIO()
        Image.fromarray(pixels).save(handle, "PNG")
        data = handle.getvalue()
    cut = {"tall": pixels[:60], "small": pixels[:32, :32]}
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else toy_faces.jpeg(cut.get(data, pixels)))
    with pytest.raises(PopleakError, match=message) as raised:
        PLUGIN.prepare(folder, tmp_path / "out")
    assert "\n" not in str(raised.value) and Path(name).name in str(raised.value)
    assert not list(tmp_path.glob("out/**/*.parquet"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot be read .No such file or directory."),
        (lambda path: path.mkdir(), "holds no .jpg file"),
        (lambda path: path.write_bytes(b"x" * 2000), "neither a folder nor a whole .tar, .tar.gz or .zip"),
    ],
)
def test_what_is_no_download_is_one_line(tmp_path, make, message):
    make(tmp_path / "faces")
    with pytest.raises(PopleakError, match=message):
        PLUGIN.prepare(tmp_path / "faces", tmp_path)


def test_a_cut_archive_is_one_line(origin, tmp_path):
    packed = tmp_path / "faces.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(origin, "UTKFace")
    packed.write_bytes(packed.read_bytes()[:-5000])
    with pytest.raises(PopleakError, match=r"nor a whole \.tar"):
        PLUGIN.prepare(packed, tmp_path)


def test_the_command(origin, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("POPLEAK_DATA", raising=False)
    assert cli.main(["prepare", "utkface", str(origin), "--data-dir", str(tmp_path)]) == 0
    assert f"{tmp_path}/utkface/{FILE}: 131 pictures of adults" in capsys.readouterr().out
    for words, message in (
        (["utkface", str(origin)], "--data-dir: name the folder"),
        (["adult", str(origin), "--data-dir", str(tmp_path)], "dataset adult: its files are read as they are"),
        (["faces", str(origin), "--data-dir", str(tmp_path)], "no dataset 'faces': choose from"),
    ):
        assert cli.main(["prepare", *words]) == 2
        assert message in capsys.readouterr().err
