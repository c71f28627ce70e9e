"""Config files are read strictly: what YAML reads for something else than it looks like is refused, with the line and the remedy."""

from __future__ import annotations

import json
import os

import pytest

import tiny
from popleak.config import reading
from popleak.config import resolve as config
from popleak.core.errors import PopleakError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
BAD = {
    "not UTF-8": (
        "seed: 1\ntitle: Größe\n".encode("latin-1"),
        r"line 2: not UTF-8 \(byte 0xf6\): save the file as UTF-8$",
    ),
    "UTF-16": ("seed: 1\n".encode("utf-16"), r"line 1: not UTF-8"),
    "a NUL": (b"seed: 1\x00\n", r"not valid YAML: unacceptable character"),
    "a NUL in a text": ('title: "a\\0b"', r"title: holds the character '\\x00', which no file can hold: take it out$"),
    "a NUL in a list": ('tasks: [{options: {path: "\\0"}}]', r"tasks\.0\.options\.path: holds the character '\\x00'"),
    "a NUL in a key": ('tasks: [{"a\\0": 1}]', r"tasks\.0: holds the character '\\x00'"),
    "half a character": ('{"title": "\\ud800"}', r"title: holds the character '\\ud800', which no file can hold"),
    "deep lists": ("tasks: " + "[" * 5000 + "]" * 5000, r"nested more than 50 levels deep"),
    "deep mappings": ("title: " + "{a: " * 60 + "1" + "}" * 60, r"line 1: nested more than 50 levels deep"),
    "deep JSON": (json.dumps({"tasks": []}).replace("[]", "[" * 9000 + "]" * 9000), r"nested more than 50 levels deep"),
    "aliases of aliases": (LAUGHS, r"line 6: more than 100,000 values, aliases counted each time"),
    "a list in itself": ("tasks: &a [*a]", r"line 1: an alias is inside what it repeats: write it out$"),
    "a mapping in itself": ("seed: 1\nengine: &a\n  stack: *a\n", r"line 2: an alias is inside what it repeats"),
    "a key twice": ("seed: 2\ntau: 0.2\nseed: 3\n", r"line 3: the key 'seed' appears twice: keep one$"),
    "a key twice below": (
        "population:\n  splits: 1\n  victims: 4\n  'splits': 2\n",
        r"line 4: the key 'splits' appears twice: keep one$",
    ),
    "a key twice in a list": (
        "tasks:\n  - {dataset: adult, dataset: compas}\n",
        r"line 2: the key 'dataset' appears twice",
    ),
    "a key twice in JSON": ('{"seed": 2, "seed": 3}', r"the key 'seed' appears twice: keep one$"),
    "base 60": ("population: {victims: 1:30}", r"line 1: YAML reads 1:30 as a number to base 60: quote it"),
    "base 60 with a point": ("tau: 0:0.5", r"line 1: YAML reads 0:0\.5 as a number to base 60"),
    "base 8": ("population: {victims: 010}", r"line 1: YAML reads 010 as a number to base 8: .*without the 0$"),
    "yes": ("title: yes", r"line 1: YAML reads yes as true or false: quote it, or write true or false$"),
    "no in a list": ("groups: [se, NO]", r"line 1: YAML reads NO as true or false"),
    "on as a key": ("on: 1", r"line 1: the key 'on' is not text: keys are words: quote it$"),
    "a number as a key": ("seed: 1\n2: 3", r"line 2: the key '2' is not text"),
    "a list as a key": ("? [a]\n: 2", r"line 1: a key is not text"),
    "a date": ("seed: 1\ntitle: 2020-02-31", r"line 2: YAML reads 2020-02-31 as a date: quote it$"),
    "very many digits": ("seed: " + "9" * 5000, r"line 1: a number of 5,000 digits: no setting is that large"),
    "a tag": (
        "seed: !!python/object/apply:os.system [id]",
        r"line 1: the tag .*os\.system' is not used in configs: leave it out$",
    ),
    "a set": ("tasks: !!set {a, b}", r"line 1: the tag .*set' is not used"),
    "tabs": ("population:\n\tsplits: 2\n", r"line 2: not valid YAML: .*'\\t'"),
    "two documents": ("seed: 1\n---\nseed: 2\n", r"line 2: not valid YAML: .*another document"),
    "an open bracket": ("tasks: [", r"line 1: not valid YAML"),
    "a template": ("__use_yte__: true\nseed: ?1 + 1\n", r"__use_yte__: a config is not a template"),
    "a list": ("- a", r"expected a mapping"),
    "nothing": ("", r"expected a mapping"),
    "too much": ("# " + "x" * 1_000_000, r"more than 1,000,000 bytes: this cannot be a config$"),
}


def test_a_strangers_expression_is_not_run(tmp_path):
    """By `popleak check`, that is: Snakemake runs those of `--configfile` before it reads the Snakefile."""
    path = tmp_path / "bad.yaml"
    path.write_text(f"__use_yte__: true\ntitle: ?open({str(tmp_path / 'made')!r}, 'w').write('x')\n", encoding="utf-8")
    done = tiny.command("popleak", "check", "--configfile", str(path))
    assert done.returncode == 2 and "a config is not a template" in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", BAD)
def test_refused_in_one_line(tmp_path, name):
    content, message = BAD[name]
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PopleakError, match=message) as error:
        config.read(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value) and len(str(error.value)) < 300
    with pytest.raises(PopleakError, match=message):
        reading.check([tiny.ROOT / "config.yaml", path])


@pytest.mark.parametrize("key", ["paper", "data_dir", "title"])
@pytest.mark.parametrize("bad", ["a\0b.yaml", "\udcff.yaml"])
def test_what_the_command_line_gives_is_looked_at_too(key, bad):
    with pytest.raises(PopleakError, match=f"^config: {key}: holds the character '.*', which no file can hold"):
        config.load(tiny.raw(**{key: bad}))


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PopleakError, match=r": a folder: name the YAML file in it$"):
        config.read(tmp_path)
    with pytest.raises(PopleakError, match=r": no such config file: name one that exists$"):
        reading.check([tmp_path / "none.yaml"])


def test_what_is_meant_is_read(tmp_path):
    """Quoted words, aliases, merge keys, a byte order mark, numbers to base 10 and 16."""
    text = """
base: &base {splits: 2, victims: 8}
other: {<<: *base, victims: 6}
again: *base
words: ["yes", 'no', "1:30", "2020-01-02", y, "010", on-time]
flags: [true, False]
numbers: [10, 0, -3, 0.5, 1.0e-3, 0x10, 1_000]
nothing: [null, ~, ]
"""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert config.read(path) == {
        "base": {"splits": 2, "victims": 8},
        "other": {"splits": 2, "victims": 6},
        "again": {"splits": 2, "victims": 8},
        "words": ["yes", "no", "1:30", "2020-01-02", "y", "010", "on-time"],
        "flags": [True, False],
        "numbers": [10, 0, -3, 0.5, 1.0e-3, 16, 1000],
        "nothing": [None, None],
    }
    path.write_text('{"tau": 1e-1,\n\t"seed": 3}')
    assert config.read(path) == {"tau": 0.1, "seed": 3}


def test_a_pipe_is_not_read_twice(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading.check([tmp_path / "pipe"])
