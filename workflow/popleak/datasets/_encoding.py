"""The encoding of a delimited text file, named by the user or told by its bytes."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import PopleakError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""Byte-order marks and their encodings. That of UTF-32 starts with that of UTF-16."""


def encoding(path: Path, sample: bytes, wanted: str, blocks: Iterable[bytes], whole: bool) -> str:
    """Return the encoding: the one wanted, that of a byte-order mark, UTF-16 by its zero bytes, UTF-8, or else Windows-1252.

    sample: the file's first bytes; blocks: all that is looked at; whole: that is the whole file. Raises PopleakError for an
    unknown name, for bytes that are no text, and for a file that is UTF-8 in one part only.
    """
    if wanted != "auto":
        return _named(wanted)
    for mark, name in MARKS:
        if sample.startswith(mark):
            return name
    return _two_bytes(path, sample) if b"\0" in sample else _one_byte_or_utf8(path, blocks, whole)


def _two_bytes(path: Path, sample: bytes) -> str:
    """Return in which order of bytes text with zero bytes is UTF-16: most letters have one, always on the same side."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) // 5 or min(even, odd) > len(sample) // 50:
        raise PopleakError(f"{path}: holds zero bytes, so it is not text: save the table as .csv or .parquet")
    return "utf-16-le" if odd > even else "utf-16-be"


def _one_byte_or_utf8(path: Path, blocks: Iterable[bytes], whole: bool) -> str:
    """Return UTF-8 if all blocks are, else Windows-1252, or Latin-1 where they hold a byte that Windows-1252 lacks."""
    decoder, valid, undefined, plain, line = codecs.getincrementaldecoder("utf-8")(), True, False, True, 1
    for block in itertools.chain(blocks, [b""]):
        try:
            if valid:
                text = decoder.decode(block, final=whole and not block)
                plain, line = plain and text.isascii(), line + block.count(b"\n")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            if not (plain and before.isascii()):
                # letters that decode as UTF-8 hardly do so by chance: in another encoding names and values would be garbled
                raise PopleakError(
                    f"{path}: line {line + before.count(10)}: is not UTF-8, as the lines before it are: save the whole "
                    "table as UTF-8, or name its encoding in options.encoding"
                ) from error
            valid = False
        undefined = undefined or bool(re.search(rb"[\x81\x8d\x8f\x90\x9d]", block))
    return "utf-8" if valid else "latin-1" if undefined else "cp1252"


def _named(wanted: str) -> str:
    try:
        found = codecs.lookup(wanted)
    except (LookupError, ValueError):  # ValueError: a name with a zero byte
        found = None
    # codecs from bytes to bytes and from text to text, such as hex and rot13, are looked up alike
    if found is None or not found._is_text_encoding:
        raise PopleakError(f"options.encoding: {wanted!r} is unknown: try utf-8, utf-16, latin-1 or cp1252")
    return found.name
