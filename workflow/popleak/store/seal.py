"""Seals: whether a file's bytes are those that were written.

A Parquet file of ours carries the SHA-256 of its own bytes in its footer, taken with the 64 digits themselves as zeros. So
one flipped bit anywhere, footer included, is noticed before anything is decoded. Other files (figures, pages) are sealed by
a manifest beside them, in the format of `sha256sum`. A seal says that a file is undamaged, not who wrote it.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ..core import accounting, atomic
from ..core.errors import PopleakError

KEY = b"popleak-seal"
"""Key of the seal in a Parquet file's metadata."""
MARK = b"sha256-of-this-file:"
EMPTY = MARK + b"0" * 64
CHUNK = 1 << 20
MAGIC = b"PAR1"


def close(path: str | Path) -> None:
    """Put the seal into a Parquet file that was written with `EMPTY` as its value."""
    with open(path, "r+b") as handle:
        place = _place(handle)
        if place is None:
            raise ValueError(f"{path}: has no place for a seal")
        seal = _digest(handle, place)
        handle.seek(place)
        handle.write(seal.encode())


def check(path: str | Path) -> str:
    """Return the seal of a Parquet file of ours, in hex. Raises PopleakError if its bytes are not those that were sealed.

    Each state of a file is read once a process: by its place, size, times and inode.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError as error:
        raise PopleakError(f"{path}: no such file: run the step that makes it") from error
    return _check(str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@functools.lru_cache(maxsize=4096)
def _check(path: str, *_: int) -> str:
    with accounting.part("store"), open(path, "rb") as handle:
        handle.seek(0, os.SEEK_END)
        size = handle.tell()
        handle.seek(max(size - len(MAGIC), 0))
        if size < 12 or handle.read() != MAGIC:
            raise PopleakError(f"{path}: truncated or not Parquet: delete the file and run again")
        place = _place(handle)
        if place is None:
            raise PopleakError(
                f"{path}: not written by this version of popleak, or damaged (it has no seal): move it away and run again"
            )
        handle.seek(place)
        stored = handle.read(64)
        seal = _digest(handle, place)
    if seal.encode() != stored:
        raise PopleakError(
            f"{path}: damaged (its bytes are not those that were written): delete the file and run again"
        )
    return seal


def _place(handle: BinaryIO) -> int | None:
    """Return where the seal's digits begin; None if the footer has none."""
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(size - 8, 0))
    footer = min(int.from_bytes(handle.read(4), "little") + 8, size)
    handle.seek(size - footer)
    text = handle.read()
    # the last one: what a user's settings say stands before it
    found = text.rfind(MARK)
    return None if found < 0 or found + len(EMPTY) > len(text) else size - footer + found + len(MARK)


def _digest(handle: BinaryIO, place: int) -> str:
    """Return the SHA-256 of all bytes, with zeros for the 64 digits at `place`."""
    digest = hashlib.sha256()
    handle.seek(0)
    left = place
    while left:
        block = handle.read(min(CHUNK, left))
        digest.update(block)
        left -= len(block)
    digest.update(b"0" * 64)
    handle.seek(place + 64)
    while block := handle.read(CHUNK):
        digest.update(block)
    return digest.hexdigest()


def write_manifest(path: str | Path, files: Iterable[str | Path]) -> None:
    """Write lines of SHA-256 and file name, as `sha256sum` writes and checks them in the files' folder."""
    atomic.write(path, "".join(f"{file_digest(file)}  {Path(file).name}\n" for file in files).encode())


def manifest_of(path: str | Path) -> Path:
    """Return the manifest of a file of a figure or of the report, `x.png` or `x.summary.tex`: `x.sha256`, beside it."""
    path = Path(path)
    own = path.with_suffix(".sha256")
    return own if own.is_file() or not path.with_suffix("").suffix else path.with_suffix("").with_suffix(".sha256")


def check_by(manifest: str | Path, path: str | Path) -> bytes:
    """Return the bytes of `path`. Raises PopleakError if the manifest beside it has another digest for them, or none."""
    try:
        lines = Path(manifest).read_text(encoding="utf-8").splitlines()
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise PopleakError(f"{error.filename}: no such file: run the step that makes it") from error
    except UnicodeDecodeError as error:
        raise PopleakError(f"{manifest}: damaged: delete the file and run again") from error
    if f"{hashlib.sha256(data).hexdigest()}  {Path(path).name}" not in lines:
        raise PopleakError(
            f"{path}: damaged (its digest is not that in {Path(manifest).name}): delete both files and run again"
        )
    return data


@accounting.part("store")
def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
