"""What the machine or a caller does wrong, as one line with the remedy: a full disk, a folder without rights, settings without a key.

Any other exception is a mistake of ours, and keeps its traceback.
"""

from __future__ import annotations

import errno
import json
import os
import re
import traceback
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import PopleakError

OUTPUTS = ("output", "stem", "folder", "bounds", "victims")
"""Arguments that name what a command writes, the first that it has: the place of a failed write that names none."""
PARTIAL = re.compile(r"\.(?P<name>[^/]+?)(?:\.[0-9]+)?\.partial")
EXPECTED = (OSError, MemoryError, RecursionError, UnicodeError)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class Given(dict):
    """A stage's settings: a key that the stage asks for and that is not there is said in one line."""

    def __missing__(self, key: Any) -> Any:
        raise PopleakError(f"the settings lack the key {key!r}: `snakemake -n -p` shows the whole command of each step")


def given(text: str) -> Given:
    """Return the settings in an argument. Raises PopleakError unless it is a JSON object."""
    try:
        found = json.loads(text, object_pairs_hook=Given)
    except (ValueError, RecursionError) as error:
        raise PopleakError(
            f"not valid JSON ({error}): {_start(text)}: give an object, as in '{{\"seed\": 1}}'"
        ) from None
    if not isinstance(found, dict):
        raise PopleakError(f"no JSON object: {_start(text)}: give one, as in '{{\"seed\": 1}}'")
    return found


def _start(text: str) -> str:
    return repr(text if len(text) < 40 else f"{text[:37]}...")


def paired(names: Iterable[str], paths: Iterable[Path], option: str) -> list[tuple[str, Path]]:
    """Return each name with its path. Raises PopleakError if there are more of one than of the other."""
    names, paths = list(names), list(paths)
    if len(names) != len(paths):
        raise PopleakError(
            f"--{option}: {len(paths)} given, but the settings name {len(names)}: {', '.join(names) or 'none'}"
        )
    return list(zip(names, paths, strict=True))


def line(error: BaseException, arguments: Namespace) -> str:
    """Return one of the `EXPECTED` exceptions in one line: the path, what is wrong, the remedy."""
    if isinstance(error, MemoryError):
        said = " ".join(str(error).split())
        return f"not enough memory{f' ({said})' if said else ''}: run fewer jobs at once (--cores), or ask for fewer rows or models"
    if not isinstance(error, OSError):
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(str(error).split())
        return f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}: {said}: is a file or name not UTF-8, or nested too deeply?"
    where, what = _where(error, arguments), _what(error)
    if error.errno in FULL:
        return f"{where}: no room left on the disk ({what}): make room, and give the same command again"
    if error.errno in FORBIDDEN:
        return f"{where}: may not be read or written ({what}): give yourself the right to, or name another place"
    if error.errno == errno.EMFILE:
        return f"{where}: {what}: raise the limit (`ulimit -n`), or run fewer jobs at once"
    if error.errno == errno.ENOENT:
        return f"{where}: no such file or folder: name one that is there, or run the step that makes it"
    return f"{where}: {what}: name another place, or look after this one"


def _where(error: OSError, arguments: Namespace) -> str:
    if error.filename is not None:
        path = (
            Path(os.fsdecode(error.filename))
            if isinstance(error.filename, (str, bytes, Path))
            else Path(str(error.filename))
        )
        partial = PARTIAL.fullmatch(path.name)  # what is written under another name until it is whole
        return str(path.with_name(partial["name"]) if partial else path)
    given = (getattr(arguments, name, None) for name in OUTPUTS)
    return str(next((path for path in given if path is not None), "a file"))


def _what(error: OSError) -> str:
    known = os.strerror(error.errno) if error.errno else ""
    return known or " ".join(str(error).split()) or type(error).__name__
