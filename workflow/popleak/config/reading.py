"""Read config files strictly: what YAML would take for something else than it looks like is refused, with the line.

Snakemake reads the same files by itself, and silently lets the last of two equal keys win. So its Snakefile calls `check`
on them: what it merged is then what stands there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import PopleakError

MOST_BYTES = 1_000_000
MOST_VALUES = 100_000
"""Values in a file, those that aliases repeat counted each time: a few lines of aliases of aliases make billions."""
MOST_DEEP = 50
MOST_DIGITS = 400
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null"))
MERGE = "tag:yaml.org,2002:merge"
TEMPLATE = "__use_yte__"
"""The key that makes Snakemake run the Python expressions in a file."""


def read(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file. Raises PopleakError in one line: the file, the line, the remedy."""
    text = _text(path)
    try:
        raw = _json(text, path)
        if raw is None:
            raw = _yaml(text, path)
    except RecursionError:
        raise PopleakError(
            f"{path}: nested more than {MOST_DEEP} levels deep: no key of a config is nested that deep"
        ) from None
    if not isinstance(raw, dict):
        raise PopleakError(f"{path}: expected a mapping of keys to values")
    if TEMPLATE in raw:
        raise PopleakError(f"{path}: {TEMPLATE}: a config is not a template: write the values themselves")
    check_texts(raw, str(path))
    return raw


def check_texts(raw: Mapping[str, Any], what: str) -> None:
    """Raise PopleakError, with the key's path, for a text that no file and no path can hold: with a NUL, or with half a character.

    what: the start of the message.
    """
    left: list[tuple[str, Any]] = [("", raw)]
    while left:
        place, value = left.pop()
        if isinstance(value, Mapping):
            left += [(_key(place, key), one) for key, one in value.items()]
            left += [(place, key) for key in value]
        elif isinstance(value, (list, tuple)):
            left += [(_key(place, i), one) for i, one in enumerate(value)]
        elif isinstance(value, str) and (bad := re.search("[\0\ud800-\udfff]", value)):
            where = f"{place}: " if place else ""
            raise PopleakError(f"{what}: {where}holds the character {bad[0]!a}, which no file can hold: take it out")


def _key(place: str, key: Any) -> str:
    return f"{place}.{key}" if place else str(key)


def check(paths: Iterable[str | Path]) -> None:
    """Raise PopleakError unless each of these files can be read strictly. What is no file (a pipe) cannot be read twice, and is
    left out."""
    for path in paths:
        if Path(path).is_file() or not Path(path).exists():
            read(path)


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `overlay` over it, as Snakemake merges --configfile: mappings merge, all else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _text(path: str | Path) -> str:
    try:
        with open(path, "rb") as handle:
            content = handle.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise PopleakError(f"{path}: no such config file: name one that exists") from None
    except IsADirectoryError:
        raise PopleakError(f"{path}: a folder: name the YAML file in it") from None
    except OSError as error:
        raise PopleakError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise PopleakError(f"{path}: more than {MOST_BYTES:,} bytes: this cannot be a config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PopleakError(
            f"{path}: line {line}: not UTF-8 (byte 0x{content[error.start]:02x}): save the file as UTF-8"
        ) from None


def _json(text: str, path: str | Path) -> Any:
    """Return what a JSON file holds; None if it is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise PopleakError(f"{path}: the key {twice!r} appears twice: keep one")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except ValueError:
        return None


def _yaml(text: str, path: str | Path) -> Any:
    import yaml

    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Look(str(path)).at(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        said = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        where = error.problem_mark or error.context_mark
        remedy = "indent with spaces" if r"'\t'" in said else "repair the line, or quote the text in it"
        raise PopleakError(
            f"{path}: {f'line {where.line + 1}: ' if where else ''}not valid YAML: {said}: {remedy}"
        ) from None
    except yaml.YAMLError as error:
        raise PopleakError(f"{path}: not valid YAML: {' '.join(str(error).split())}: take it out") from None
    finally:
        if loader is not None:
            loader.dispose()


class _Look:
    """Looks at a file's nodes before any value is made of them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sizes: dict[int, int] = {}
        self.above: list[int] = []

    def at(self, node: Any) -> int:
        """Return how many values there are at and below `node`, aliases repeated. Raises PopleakError for the first mistake."""
        import yaml

        if id(node) in self.sizes:
            return self.sizes[id(node)]
        if id(node) in self.above:
            raise self.wrong(node, "an alias is inside what it repeats", "write it out")
        if len(self.above) > MOST_DEEP:
            raise self.wrong(
                node, f"nested more than {MOST_DEEP} levels deep", "no key of a config is nested that deep"
            )
        if node.tag not in PLAIN_TAGS and not (node.tag == MERGE or node.tag.endswith(":timestamp")):
            raise self.wrong(node, f"the tag {node.tag!r} is not used in configs", "leave it out")
        self.above.append(id(node))
        if isinstance(node, yaml.MappingNode):
            self.keys(node)
            below = [child for _, child in node.value]
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        else:
            self.scalar(node)
            below = []
        self.sizes[id(node)] = 1 + sum(self.at(child) for child in below)
        self.above.pop()
        if self.sizes[id(node)] > MOST_VALUES:
            raise self.wrong(node, f"more than {MOST_VALUES:,} values, aliases counted each time", "write fewer")
        return self.sizes[id(node)]

    def keys(self, node: Any) -> None:
        """Raise PopleakError unless the keys are words, each there once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != MERGE and not key.tag.endswith(":str"):
                what = f"the key {key.value!r}" if isinstance(key.value, str) else "a key"
                raise self.wrong(key, f"{what} is not text", "keys are words: quote it")
            if key.value in seen:
                raise self.wrong(key, f"the key {key.value!r} appears twice", "keep one")
            seen.add(key.value)

    def scalar(self, node: Any) -> None:
        """Raise PopleakError for a plain word that YAML reads for something else than a reader does."""
        if node.style is not None:
            return
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind in ("int", "float") and len(text) > MOST_DIGITS:
            raise self.wrong(
                node, f"a number of {len(text):,} digits", "no setting is that large: quote it, or write fewer digits"
            )
        if kind in ("int", "float") and ":" in text:
            raise self.wrong(node, f"YAML reads {text} as a number to base 60", "quote it, or write the number")
        if kind == "int" and re.fullmatch(r"[-+]?0[0-9_]+", text):
            raise self.wrong(node, f"YAML reads {text} as a number to base 8", "quote it, or write it without the 0")
        if kind == "bool" and text.lower() not in ("true", "false"):
            raise self.wrong(node, f"YAML reads {text} as true or false", "quote it, or write true or false")
        if kind == "timestamp":
            raise self.wrong(node, f"YAML reads {text} as a date", "quote it")

    def wrong(self, node: Any, what: str, remedy: str) -> PopleakError:
        return PopleakError(f"{self.path}: line {node.start_mark.line + 1}: {what}: {remedy}")
