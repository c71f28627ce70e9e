"""What the machine or a caller does wrong, as one line with the remedy: a full disk, a folder without rights.

Any other exception is a mistake of ours, and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from .errors import PopleakError

OUTPUTS = ("output", "stem", "folder", "bounds", "victims")
"""Arguments that name what a command writes, the first that it has: the place of a failed write that names none."""
PARTIAL = re.compile(r"\.(?P<name>[^/]+?)(?:\.[0-9]+)?\.partial")
EXPECTED = (OSError, MemoryError, RecursionError, UnicodeError)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


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
        return f"{where}: no room left on the disk ({what}): make room, and repeat the command"
    if error.errno in FORBIDDEN:
        return f"{where}: may not be read or written ({what}): change its permissions, or name another place"
    if error.errno == errno.EMFILE:
        return f"{where}: {what}: raise the limit (`ulimit -n`), or run fewer jobs at once"
    if error.errno == errno.ENOENT:
        return f"{where}: no such file or folder: name one that exists, or run the step that makes it"
    return f"{where}: {what}: name another place, or repair this one"


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
