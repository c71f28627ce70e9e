"""A folder or an archive of the publisher's JPEG files -> one Parquet table of small grey pictures.

Pillow and pyarrow are imported inside the functions. Nothing is unpacked: no picture is ever written as a file.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import tarfile
import warnings
import zipfile
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
MOST_BYTES = 50_000_000
"""A larger file is no aligned and cropped face, of which none has more than a hundredth of this."""
CHUNK = 1 << 20
AGAIN = "get the archive from the publisher again, or name the folder that you unpacked"


class Picture(NamedTuple):
    """One file: its labels, a digest of its bytes, and its pixels as SIDE * SIDE bytes."""

    age: int
    gender: int
    race: int
    digest: str
    pixels: bytes


def convert(origin: Path, destination: Path) -> list[str]:
    """Write the table of the adults among the pictures of `origin`, a folder or an archive that zipfile or tarfile reads; return what to say.

    Rows are in the order of a digest of the files' names, which are not kept. Raises PopleakError for a name without three
    labels that is not one of the three known, for a name that occurs twice, for what is no square JPEG file, for an archive
    that is not whole, and where no adult is left.
    """
    import pyarrow.parquet as pq

    found, left_out = _pictures(origin)
    table = _adults(found)
    total, adults = len(found) + left_out, len(table)
    if not adults:
        raise _wrong(
            origin, f"none of its {total:,} pictures is of an adult: name all of the aligned and cropped faces"
        )
    with atomic.replacing(destination) as partial:
        pq.write_table(table, partial, compression="zstd", use_dictionary=False)
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
    seen: set[str] = set()
    for name, data in _files(origin):
        if name in seen:
            raise _wrong(origin, "is there twice: name the folder that holds each picture once", name)
        seen.add(name)
        if name.startswith(BROKEN):
            continue
        age, gender, race = _labels(origin, name)
        # a name that is not UTF-8 comes with its bytes escaped
        key = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
        pixels = b"" if age < ADULT else _grey(origin, name, data)
        found[key] = Picture(age, gender, race, hashlib.sha256(data).hexdigest(), pixels)
    if not found:
        raise _wrong(origin, "holds no .jpg file: name the folder or archive of the aligned and cropped faces")
    return found, len(seen) - len(found)


def _labels(origin: Path, name: str) -> tuple[int, int, int]:
    """Return age, gender and race from a file's name."""
    labels = NAME.fullmatch(name)
    if labels is None or int(labels[1]) > COLUMNS["age"][1]:
        raise _wrong(
            origin, "the name is not [age]_[gender]_[race]_[date].jpg: take this file out, or mend its name", name
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
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                if image.width != image.height or image.width < SIDE:
                    raise _wrong(
                        origin, f"is {image.width} x {image.height} pixels, not a square of {SIDE} or more: "
                        "give the aligned and cropped faces", name,
                    )  # fmt: skip
                grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except (PopleakError, MemoryError):
        raise
    except Exception as error:  # which ones Pillow raises for what is damaged is written nowhere
        said = "it is none" if isinstance(error, UnidentifiedImageError) else _said(error)
        raise _wrong(
            origin, f"not a whole JPEG file ({said}): copy it from the publisher's archive again", name
        ) from error
    return np.asarray(grey, dtype=np.uint8).tobytes()


def _files(origin: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each .jpg file, of a folder with its subfolders or of an archive, which has been checked when the last was yielded.

    Raises PopleakError for an archive that is damaged, cut or encrypted, and for a picture that is a link or too large.
    """
    try:
        if origin.is_dir():
            yield from _in_folder(origin)
        elif not stat.S_ISREG(origin.stat().st_mode):
            raise _wrong(origin, "neither a folder nor a file: name those of the aligned and cropped faces")
        elif zipfile.is_zipfile(origin):
            yield from _in_zip(origin)
        else:
            yield from _in_tar(origin)
    except (PopleakError, MemoryError):
        raise
    except OSError as error:
        if error.errno in (
            None,
            errno.EINVAL,
        ):  # gzip and bz2 say so of what they read, and a seek to a place before the start
            raise _damaged(origin, error) from error
        place = origin if error.filename is None else Path(os.fsdecode(error.filename))
        raise _wrong(
            place, f"cannot be read ({error.strerror or _said(error)}): check the path and its rights"
        ) from error
    except (
        Exception
    ) as error:  # zlib.error, LZMAError, BadZipFile, RuntimeError and others: no list of them is complete
        raise _damaged(origin, error) from error


def _in_folder(origin: Path) -> Iterator[tuple[str, bytes]]:
    def stop(error: OSError) -> None:
        raise error

    paths = (Path(folder, name) for folder, _, names in os.walk(origin, onerror=stop) for name in names)
    for path in sorted(path for path in paths if _wanted(path.name)):
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise _wrong(path, "neither a picture nor a link to one: take it out")
        _bounded(origin, path.name, about.st_size)
        yield path.name, path.read_bytes()


def _in_zip(origin: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(origin) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            name = PurePosixPath(entry.filename).name
            if entry.flag_bits & 1:
                raise _wrong(origin, "is encrypted: unpack the archive, and name the folder", name)
            try:
                # each is opened, since that compares its name in the list with the one beside its content
                with archive.open(entry) as handle:
                    if _wanted(name):
                        _bounded(origin, name, entry.file_size)
                        yield name, handle.read()
            except NotImplementedError as error:
                raise _wrong(
                    origin, f"cannot be unpacked here ({_said(error)}): unpack the archive, and name the folder", name
                ) from error


def _in_tar(origin: Path) -> Iterator[tuple[str, bytes]]:
    try:
        archive = tarfile.open(origin)  # noqa: SIM115
    except tarfile.ReadError as error:  # which says in several lines what it is not
        raise tarfile.ReadError("its start is that of none of them, or damaged") from error
    with archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if not _wanted(name) or member.isdir():
                continue
            handle = archive.extractfile(member) if member.isfile() else None
            if handle is None:
                raise _wrong(
                    origin, "is a link or a device in the archive: unpack the archive, and name the folder", name
                )
            _bounded(origin, name, member.size)
            yield name, handle.read()
        _drain(archive)


def _drain(archive: tarfile.TarFile) -> None:
    """Read from where an archive's list of files ended to the end of the file. Raises tarfile.ReadError if that was no end.

    tarfile takes a damaged header for the end, and the checksums of gzip, bzip2 and xz stand after it.
    """
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    size = 0
    while chunk := archive.fileobj.read(CHUNK):
        size += len(chunk)
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a header in it is damaged, or something follows its end")
    if size < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")


def _bounded(origin: Path, name: str, size: int) -> None:
    """Raise PopleakError for a file that is too large to be a picture, before it is read."""
    if size > MOST_BYTES:
        raise _wrong(origin, f"has {size:,} bytes, more than a picture of a face: take it out", name)


def _wanted(name: str) -> bool:
    """Say whether a file is a picture; those with a dot before their name are a file system's own notes."""
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")


def _damaged(origin: Path, error: Exception) -> PopleakError:
    return _wrong(origin, f"neither a folder nor a whole .tar, .tar.gz or .zip ({_said(error)}): {AGAIN}")


def _wrong(where: Path, what: str, name: str = "") -> PopleakError:
    """Return an error in one line: the path, the name of a file in it, what is wrong."""
    return PopleakError(": ".join([*(_shown(one) for one in (str(where), name) if one), what]))


def _shown(name: str) -> str:
    """Return a name as it is; one with line breaks or bytes that are no text with these written out."""
    return name if name.isprintable() else ascii(name)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__
