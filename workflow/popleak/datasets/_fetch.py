"""Find a raw file, or fetch it from its publisher: whole, verified, or not at all."""

from __future__ import annotations

import http.client
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..core.errors import PopleakError
from ..store.seal import file_digest
from .base import Source

CHUNK = 1 << 20
AGENT = f"popleak/{__version__} (reproducible benchmark; Python-urllib)"
DATA_DIR = "data_dir: the config key of that name, or else the environment variable POPLEAK_DATA"
WITHOUT = ", or give the config `tasks` without those that need it"
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Failure(Exception):
    """A failure that a further attempt would repeat."""


class _Again(_Failure):
    """A failure that may pass: try once more."""


def place(dataset: str, source: Source, data_dir: str | Path) -> Path:
    """Return where the raw file belongs: `<data_dir>/<dataset>/<source.file>`, the folder named with `_` for `-`."""
    return Path(data_dir) / dataset.replace("-", "_") / source.file


def at(source: Source, destination: str | Path) -> str:
    """Return where a person should put the raw file that `fetch` was to write to `destination`."""
    folder = Path(destination).parents[len(Path(source.file).parts) - 1].name
    return f"<data_dir>/{folder}/{source.file} ({DATA_DIR})"


def locate(dataset: str, source: Source, data_dir: str | Path | None) -> Path | None:
    """Return the path of the raw file at its `place`, or None if it is not there (or there is no `data_dir`).

    A folder with the dataset's own spelling (`acs-income`) will do too.
    For a file that no publisher serves (`source.url` is None: a user's own table), `source.file` may also be an
    absolute path or one relative to the working directory.
    """
    if data_dir is not None:
        for path in (place(dataset, source, data_dir), Path(data_dir) / dataset / source.file):
            if path.is_file():
                return path
    if source.url is None and Path(source.file).is_file():
        return Path(source.file)
    return None


def verify(path: str | Path, source: Source) -> None:
    """Raise PopleakError if the file's SHA-256 is not the pinned one, or not that of its first fetch."""
    path = Path(path)
    expected = source.sha256 or _pinned(path)
    found = file_digest(path)
    if expected is not None and found != expected:
        raise PopleakError(f"{path}: sha256 expected {expected}, found {found}: {_disagreement(path, source)}")


def fetch(
    source: Source,
    destination: str | Path,
    *,
    retries: int = 3,
    timeout: float = 60.0,
    pause: float = 1.0,
    schemes: Sequence[str] = ("https",),
) -> Path:
    """Fetch `source` to `destination` and return it. The file appears whole and verified, or not at all.

    retries: further attempts after a failure that may pass (no connection, a cut one, HTTP 408, 425, 429, 5xx);
    timeout: seconds without a byte; pause: seconds before the first further attempt, doubled before each next one.
    With `source.member` the URL is a zip archive and the member is the file. Where `source.sha256` is None, the digest
    of the first fetch is kept in `<destination>.sha256`, and later fetches must agree with it.
    Raises PopleakError, in one line: the file, the URL, the reason, and where to put the file by hand.
    """
    destination = Path(destination)
    what = (
        "get it by hand and put it"
        if source.member is None
        else f"get the archive by hand and put its member {source.member}"
    )
    by_hand = f"{what} at {at(source, destination)}, or at {destination}{WITHOUT}"
    if source.url is None:
        raise PopleakError(f"{source.file}: no publisher's address is known: put the file at {destination}")
    if urllib.parse.urlsplit(source.url).scheme not in schemes:
        raise PopleakError(f"{source.file}: {source.url} is not {' or '.join(schemes)}: {by_hand}")
    partial = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    member = partial.with_suffix(".member")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PopleakError(f"{destination.parent}: cannot be made ({error.strerror}): name another data_dir") from error
    try:
        for link in (partial, member, partial.with_suffix(".pin")):  # in a folder that somebody else has filled
            link.unlink(missing_ok=True)
        _download(source.url, partial, retries=retries, timeout=timeout, pause=pause, schemes=schemes)
        whole = partial
        if source.member is not None:
            _extract(partial, source.member, member)
            whole = member
        elif destination.suffix == ".zip":
            _test_archive(partial)
        _agree(whole, source, destination)
        whole.replace(destination)
        return destination
    except (_Failure, OSError) as error:
        raise PopleakError(
            f"{source.file}: cannot be fetched from {source.url} ({_reason(error)}): {by_hand}"
        ) from error
    finally:
        for left in (partial, member):
            left.unlink(missing_ok=True)


def _download(url: str, partial: Path, *, retries: int, timeout: float, pause: float, schemes: Sequence[str]) -> None:
    """Write the body of `url` to `partial`, trying again after failures that may pass."""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _download_once(url, partial, timeout=timeout, schemes=schemes)
            return
        except _Again:
            if attempt == retries:
                raise


def _download_once(url: str, partial: Path, *, timeout: float, schemes: Sequence[str]) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            if urllib.parse.urlsplit(response.geturl()).scheme not in schemes:
                raise PopleakError(f"{url}: redirects to {response.geturl()}, which is not {' or '.join(schemes)}")
            _store(response, partial)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        kind = _Again if error.code in WORTH_RETRYING else _Failure
        raise kind(f"HTTP {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Again(_reason(error)) from error


def _store(response: http.client.HTTPResponse, partial: Path) -> None:
    size = 0
    with open(partial, "wb") as handle:
        while block := response.read(CHUNK):
            size += handle.write(block)
        handle.flush()
        os.fsync(handle.fileno())
    announced = response.headers.get("Content-Length")
    # a server that hangs up early ends the stream without an error, so the length is all that tells
    if announced is not None and announced.isdigit() and size != int(announced):
        raise _Again(f"connection cut after {size} of {announced} bytes")


def _extract(archive: Path, member: str, destination: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as origin, open(destination, "wb") as handle:
            shutil.copyfileobj(origin, handle, CHUNK)  # reading to the end checks the member's CRC
            handle.flush()
            os.fsync(handle.fileno())
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _Failure(f"not a whole zip archive: {error}") from error
    except KeyError as error:
        raise _Failure(f"the archive has no member {member}") from error


def _test_archive(archive: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            damaged = opened.testzip()
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _Failure(f"not a whole zip archive: {error}") from error
    if damaged is not None:
        raise _Failure(f"the archive's member {damaged} is damaged")


def _agree(whole: Path, source: Source, destination: Path) -> None:
    """Compare the digest with the pinned or first one, or keep it as the first one."""
    found = file_digest(whole)
    expected = source.sha256 or _pinned(destination)
    if expected is None:
        partial = whole.with_suffix(".pin")
        partial.write_text(f"{found}  {destination.name}\n", encoding="utf-8")
        partial.replace(_pin(destination))
    elif found != expected:
        raise PopleakError(
            f"{source.file}: {source.url} sent sha256 {found}, expected {expected}: "
            f"{_disagreement(destination, source)}"
        )


def _disagreement(path: Path, source: Source) -> str:
    if source.sha256 is not None:
        return f"the file changed or is damaged: put the publisher's unchanged file at {path}"
    return f"the publisher revised it or it is damaged: to accept the new one, delete {path} and {_pin(path)}"


def _pin(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _pinned(path: Path) -> str | None:
    try:
        words = _pin(path).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    if not words:
        raise PopleakError(f"{_pin(path)}: empty: delete it")
    return words[0]


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    text = str(reason if reason is not None else error) or type(error).__name__
    return text.splitlines()[0][:120]
