"""A folder or an archive of the publisher's JPEG files -> one Parquet table of small grey pictures.

Pillow and pyarrow are imported inside the functions. Nothing is unpacked: no picture is ever written as a file.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core import atomic
from ..core.errors import PopleakError
from ._faces import ADULT, COLUMNS, SIDE

if TYPE_CHECKING:
    import pyarrow as pa

NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_\d{17}[^/]*\.jpe?g", re.IGNORECASE)
"""Age, gender, race and time of a file's name; after the time, four of the published names have a slip of the pen."""
BROKEN = ("39_1_20170116174525125", "61_1_20170109142408075", "61_1_20170109150557335")
"""The published files whose names lack a label: they are left out."""
PUBLISHED = 23708
"""Files of the published set of aligned and cropped faces, those three among them."""


class Picture(NamedTuple):
    """One file: its labels, a digest of its bytes, and its pixels as SIDE * SIDE bytes."""

    age: int
    gender: int
    race: int
    digest: str
    pixels: bytes


def convert(origin: Path, destination: Path) -> list[str]:
    """Write the table of the adults among the pictures of `origin`, a folder or a .tar, .tar.gz or .zip; return what to say.

    Rows are in the order of a digest of the files' names, which are not kept. Raises PopleakError for a name without three
    labels that is not one of the three known, for a name that occurs twice, and for what is no square JPEG file.
    """
    import pyarrow.parquet as pq

    found, left_out = _pictures(origin)
    table = _adults(found)
    with atomic.replacing(destination) as partial:
        pq.write_table(table, partial, compression="zstd", use_dictionary=False)
    total, adults = len(found) + left_out, len(table)
    whole = "the whole published set" if total == PUBLISHED else (
        f"not the whole published set of {PUBLISHED:,}, so a task needs `complete: false` in its options"
    )  # fmt: skip
    return [
        f"{total:,} files, {whole}",
        f"left out: {left_out} of the {len(BROKEN)} files whose published names lack a label, {len(found) - adults:,} of minors",
        f"{destination}: {adults:,} pictures of adults, {SIDE} x {SIDE}, grey",
    ]


def _pictures(origin: Path) -> tuple[dict[str, Picture], int]:
    """Return the pictures by a digest of their names, and how many of the files in BROKEN were left out. Of minors no pixels are read."""
    found: dict[str, Picture] = {}
    left_out = 0
    for name, data in _files(origin):
        if name.startswith(BROKEN):
            left_out += 1
            continue
        age, gender, race = _labels(origin, name)
        key = hashlib.sha256(name.encode()).hexdigest()
        if key in found:
            raise PopleakError(f"{origin}: {name} is there twice: name the folder that holds each picture once")
        pixels = b"" if age < ADULT else _grey(origin, name, data)
        found[key] = Picture(age, gender, race, hashlib.sha256(data).hexdigest(), pixels)
    if not found:
        raise PopleakError(f"{origin}: holds no .jpg file: name the folder or archive of the aligned and cropped faces")
    return found, left_out


def _labels(origin: Path, name: str) -> tuple[int, int, int]:
    """Return age, gender and race from a file's name."""
    labels = NAME.fullmatch(name)
    if labels is None or int(labels[1]) > COLUMNS["age"][1]:
        raise PopleakError(
            f"{origin}: {name}: the name is not [age]_[gender]_[race]_[date].jpg: take this file out, or mend its name"
        )
    return int(labels[1]), int(labels[2]), int(labels[3])


def _adults(found: Mapping[str, Picture]) -> pa.Table:
    """Return the table of the adults, in the order of the names' digests."""
    import pyarrow as pa

    # a copy that is labelled a minor still counts as a copy
    times = Counter(one.digest for one in found.values())
    copies = {digest: i for i, digest in enumerate(sorted(digest for digest, count in times.items() if count > 1))}
    adults = [found[key] for key in sorted(found) if found[key].age >= ADULT]
    return pa.table({
        "age": pa.array([one.age for one in adults], pa.int16()),
        "gender": pa.array([one.gender for one in adults], pa.int8()),
        "race": pa.array([one.race for one in adults], pa.int8()),
        "dup_group": pa.array([copies.get(one.digest, -1) for one in adults], pa.int32()),
        "pixels": pa.array([one.pixels for one in adults], pa.binary(SIDE * SIDE)),
    })  # fmt: skip


def _grey(origin: Path, name: str, data: bytes) -> bytes:
    """Return a JPEG file's picture as SIDE * SIDE bytes: luma, shrunk by Lanczos's filter."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if image.width != image.height or image.width < SIDE:
                raise PopleakError(
                    f"{origin}: {name}: is {image.width} x {image.height} pixels, not a square of {SIDE} or more: "
                    "give the aligned and cropped faces"
                )
            grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PopleakError(
            f"{origin}: {name}: not a whole JPEG file ({str(error)[:80]}): copy it from the publisher's archive again"
        ) from error
    return np.asarray(grey, dtype=np.uint8).tobytes()


def _files(origin: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each .jpg file, of a folder with its subfolders or of an archive."""
    try:
        if origin.is_dir():
            yield from _in_folder(origin)
        elif zipfile.is_zipfile(origin):
            yield from _in_zip(origin)
        else:
            yield from _in_tar(origin)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise PopleakError(
            f"{origin}: neither a folder nor a whole .tar, .tar.gz or .zip ({str(error)[:80]}): name the folder or archive of "
            "the aligned and cropped faces"
        ) from error
    except OSError as error:
        raise PopleakError(
            f"{origin}: cannot be read ({error.strerror or error}): check the path and its rights"
        ) from error


def _in_folder(origin: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(origin.rglob("*")):
        if _wanted(path.name) and path.is_file():
            yield path.name, path.read_bytes()


def _in_zip(origin: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(origin) as archive:
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename).name
            if _wanted(name) and not entry.is_dir():
                yield name, archive.read(entry)


def _in_tar(origin: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(origin) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if _wanted(name) and member.isfile() and (handle := archive.extractfile(member)):
                yield name, handle.read()


def _wanted(name: str) -> bool:
    """Say whether a file is a picture; those with a dot before their name are a file system's own notes."""
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")
