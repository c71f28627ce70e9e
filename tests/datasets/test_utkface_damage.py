"""The dataset utkface: archives and folders that are damaged, cut, encrypted or odd are refused in one line, and nothing is written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import toy_faces
from popleak import cli
from popleak.datasets import _face_files

NAMES = [toy_faces.name(number, 30 + number, number % 2, 0) for number in range(6)]
COMPRESSED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def pictures() -> dict[str, bytes]:
    rng = np.random.default_rng(4)
    return {name: toy_faces.jpeg(toy_faces.picture(rng)) for name in NAMES}


def tarred(files: dict[str, bytes]) -> bytes:
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w") as archive:
        for name, data in files.items():
            about = tarfile.TarInfo(f"UTKFace/{name}")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return handle.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(f"UTKFace/{name}", data)
    return handle.getvalue()


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def patched(data: bytes, local: int, listed: int, value: int) -> bytes:
    """Return a zip archive with a number of two bytes changed in the header of each file and in the list at the end."""
    changed = bytearray(data)
    for mark, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", listed)):
        start = changed.find(mark)
        while start >= 0:
            struct.pack_into("<H", changed, start + place, value)
            start = changed.find(mark, start + 4)
    return bytes(changed)


@pytest.fixture
def refused(tmp_path, capsys, recwarn):
    """Write an archive, run the command on it, and return the one line that it says."""

    def run(origin: Path, data: bytes | None = None) -> str:
        if data is not None:
            origin.write_bytes(data)
        kept = tmp_path / "data" / "utkface" / "utkface_grey48.parquet"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(b"an earlier table")
        assert cli.main(["prepare", "utkface", str(origin), "--data-dir", str(tmp_path / "data")]) == 2
        out, err = capsys.readouterr()
        assert not out and err.count("\n") == 1 and err.isprintable() is False and err[:-1].isprintable()
        assert err.startswith("popleak: ") and ": " in err[9:] and "object at 0x" not in err
        assert [path.name for path in kept.parent.iterdir()] == [kept.name] and kept.read_bytes() == b"an earlier table"
        assert not recwarn.list
        return err

    return run


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_byte_of_a_compressed_archive_counts(tmp_path, refused, kind):
    """Those after the last file too, where the checksums are."""
    data = COMPRESSED[kind](tarred(pictures()))
    assert len(list(_face_files._files(written(tmp_path / f"a.tar.{kind}", data)))) == len(NAMES)
    places = [*range(len(data) // 2, len(data) - 40, len(data) // 8), *range(len(data) - 12, len(data), 3)]
    for place in places:
        refused(tmp_path / f"a.tar.{kind}", flipped(data, place))
    assert "nor a whole .tar, .tar.gz or .zip" in refused(tmp_path / f"a.tar.{kind}", data[:-4])


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_checksum_after_the_last_file_is_read(tmp_path, refused):
    """Stored blocks: no decompressor notices a changed byte, and the picture stays one."""
    files = pictures()
    data = gzip.compress(tarred(files), compresslevel=0)
    place = data.index(files[NAMES[0]]) + len(files[NAMES[0]]) - 30
    said = refused(tmp_path / "a.tar.gz", flipped(data, place))
    assert "(CRC check failed" in said and "get the archive from the publisher again" in said


def test_a_damaged_header_is_not_the_end_of_a_tar(tmp_path, refused):
    files = pictures()
    plain = tarred(files)
    header = plain.index(f"UTKFace/{NAMES[3]}".encode())
    for data in (flipped(plain, header + 150), gzip.compress(flipped(plain, header + 150))):
        assert "a header in it is damaged, or something follows its end" in refused(tmp_path / "a.tar", data)
    assert "its end is missing" in refused(tmp_path / "a.tar", plain[:header])
    assert "nor a whole" in refused(tmp_path / "a.tar", plain[: header + 700])
    assert "something follows its end" in refused(tmp_path / "a.tar", plain + plain)


def test_a_damaged_zip(tmp_path, refused):
    files = pictures()
    data = zipped(files, zipfile.ZIP_STORED)
    assert "Bad CRC-32" in refused(tmp_path / "a.zip", flipped(data, data.index(files[NAMES[2]]) + 300))
    listed = data.rindex(NAMES[2].encode())
    said = refused(tmp_path / "a.zip", flipped(data, listed + len(NAMES[2]) - 1))  # .jpf: it would be no picture
    assert "File name in directory" in said
    assert "nor a whole" in refused(tmp_path / "a.zip", data[: len(data) // 2])
    assert "nor a whole" in refused(tmp_path / "a.zip", data[:-30])
    assert "nor a whole" in refused(tmp_path / "a.tar.bz2", b"BZh9" + bytes(2000))
    assert "nor a whole" in refused(tmp_path / "a.tar.xz", b"\xfd7zXZ\x00" + bytes(2000))


def test_a_zip_that_cannot_be_unpacked_here(tmp_path, refused):
    data = zipped(pictures())
    said = refused(tmp_path / "a.zip", patched(data, 6, 8, 1))
    assert f"{NAMES[0]}: is encrypted: unpack the archive, and name the folder" in said
    said = refused(tmp_path / "a.zip", patched(data, 8, 10, 97))
    assert f"{NAMES[0]}: cannot be unpacked here" in said and "unpack the archive" in said


def test_links_and_devices_do_not_vanish(tmp_path, refused):
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w") as archive:
        link = tarfile.TarInfo(NAMES[0])
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
        archive.addfile(link)
    assert f"{NAMES[0]}: is a link or a device in the archive" in refused(tmp_path / "a.tar", handle.getvalue())
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / NAMES[0]).symlink_to(tmp_path / "nowhere")
    assert f"{NAMES[0]}: cannot be read (No such file" in refused(tmp_path / "faces")
    (tmp_path / "faces" / NAMES[0]).unlink()
    os.mkfifo(tmp_path / "faces" / NAMES[0])
    assert f"{NAMES[0]}: neither a picture nor a link to one" in refused(tmp_path / "faces")
    assert "neither a folder nor a file" in refused(tmp_path / "faces" / NAMES[0])


def test_a_folder_in_it_that_may_not_be_read_is_said(tmp_path, refused, monkeypatch):
    def walk(top, onerror):
        onerror(PermissionError(13, "Permission denied", f"{top}/secret"))

    (tmp_path / "faces").mkdir()
    monkeypatch.setattr(os, "walk", walk)
    assert f"{tmp_path}/faces/secret: cannot be read (Permission denied)" in refused(tmp_path / "faces")


@pytest.mark.parametrize("pack", [tarred, zipped, None])
def test_what_is_too_large_is_not_read(tmp_path, refused, monkeypatch, pack):
    monkeypatch.setattr(_face_files, "MOST_BYTES", 500)
    assert "bytes, more than a picture of a face: take it out" in refused(*packed(tmp_path, pictures(), pack))


def packed(folder: Path, files: dict[str, bytes], pack) -> tuple[Path, bytes | None]:
    if pack:
        return folder / "faces", pack(files)
    (folder / "faces").mkdir()
    for name, data in files.items():
        (folder / "faces" / name).write_bytes(data)
    return folder / "faces", None


@pytest.mark.parametrize("pack", [tarred, zipped, None])
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a\nb.jpg", b"", r"'a\nb.jpg': the name is not"),
        ("\x1b[31m.jpg", b"", r"'\x1b[31m.jpg': the name is not"),
        (NAMES[0], b"no picture", "not a whole JPEG file (it is none): copy"),
        (NAMES[0], b"\xff\xd8\xff", "not a whole JPEG file ("),
        (NAMES[0], b"", "not a whole JPEG file (it is none)"),
        (toy_faces.name(1, 9, 0, 0), b"", "none of its 1 pictures is of an adult: name all of the aligned"),
    ],
)
def test_odd_files_and_names_are_one_line(tmp_path, refused, pack, name, data, message):
    assert message in refused(*packed(tmp_path, {name: data}, pack))


def test_every_cut_of_a_picture_is_one_line(tmp_path, refused):
    data = pictures()[NAMES[0]]
    for place in range(1, len(data) - 2, len(data) // 12):
        assert "not a whole JPEG file (" in refused(*packed(tmp_path, {NAMES[0]: data[:place]}, zipped))


def test_a_path_with_a_line_break_is_one_line(tmp_path, refused):
    assert r"a\nb': neither a folder nor a whole" in refused(tmp_path / "a\nb", b"x" * 2000)
    assert "cannot be read (File name too long)" in refused(tmp_path / ("x" * 300))


def test_names_that_are_no_utf_8_are_told_apart(tmp_path):
    data = pictures()[NAMES[0]]
    files = {f"{stem}\udcff.jpg": data for stem in ("30_0_0_20170109150557335", "31_0_0_20170109150557335")}
    (tmp_path / "a.tar").write_bytes(tarred(files))
    assert len(_face_files._pictures(tmp_path / "a.tar")[0]) == 2


def test_a_file_without_a_label_that_is_there_twice(tmp_path, refused):
    for folder in "ab":
        (tmp_path / "faces" / folder).mkdir(parents=True)
        (tmp_path / "faces" / folder / f"{_face_files.BROKEN[0]}.jpg").write_bytes(b"")
    assert "is there twice" in refused(tmp_path / "faces")
