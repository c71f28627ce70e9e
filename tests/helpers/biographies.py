"""Made-up biographies: tables like those of Bias in Bios, with surnames that no other text holds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from popleak.datasets.bias_in_bios import PROFESSIONS

SYLLABLES = ("qua", "zor", "vex", "mib", "jup", "kly", "fro", "gwy", "thu", "nax")
FILLERS = [f"filler{number}word" for number in range(400)]


def surname(number: int) -> str:
    return "".join(SYLLABLES[int(digit)] for digit in f"{number:05d}").capitalize()


def write(
    path: Path,
    *,
    rows: int = 1200,
    professions=PROFESSIONS,
    seed: int = 0,
    named: bool = False,
    text: str = "hard_text",
    **columns,
) -> dict[str, list]:
    """Write a Parquet table of made-up biographies; return its columns. columns: instead of its own.

    Two of three words of a profession's own are in each text, and a pronoun; each text has a surname of its own. named: professions and
    genders by name, else by the published codes. Every profession has both genders, nurses are mostly women and surgeons mostly men.
    """
    random = np.random.default_rng(seed)
    profession = np.arange(rows) % len(professions)
    women = {"nurse": 0.8, "surgeon": 0.2}
    share = np.array([women.get(name, 0.5) for name in professions])[profession]
    turn = np.arange(rows) // len(professions)
    gender = ((turn * 0.6180339887 + 0.05) % 1 < share).astype(int)
    texts = []
    for number in range(rows):
        own = [f"{professions[profession[number]]}craft{one}" for one in random.choice(3, 2, replace=False)]
        pronoun = ("He", "She")[gender[number]]
        words = [*own, *random.choice(FILLERS, 14)]
        random.shuffle(words)
        texts.append(f"{pronoun} is Dr. {surname(rows * seed + number)} and {' '.join(words)}.")
    table = {
        text: texts,
        "profession": [professions[one] for one in profession] if named
        else [PROFESSIONS.index(professions[one]) for one in profession],
        "gender": ["MF"[one] for one in gender] if named else gender.tolist(),
        **columns,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)
    return table


def told_by(content: bytes | str, texts: list[str], names: list[str] = ()) -> list[str]:
    """Return which five words in a row of the texts, and which of the names, stand in a file's content, whatever the case."""
    said = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    words = re.findall(r"\w+", said.lower())
    runs = {" ".join(words[place : place + 5]) for place in range(len(words) - 4)}
    pieces = {
        " ".join(of[place : place + 5])
        for of in (re.findall(r"\w+", text.lower()) for text in texts)
        for place in range(len(of) - 4)
    }
    return sorted(pieces & runs) + sorted({name.lower() for name in names} & set(words))


def readable(path: Path) -> str:
    """Return all text that a file holds: of Parquet the decoded columns, names and metadata, of a PDF its unpacked streams too."""
    import zlib

    content = path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        metadata = {**(table.schema.metadata or {})}
        parts = [
            str(table.schema.names),
            *(f"{key!r} {value.decode('utf-8', 'replace')}" for key, value in metadata.items()),
        ]
        for name in table.column_names:
            kind = table[name].type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
                parts += map(str, set(table[name].to_pylist()))
        return "\n".join(parts)
    if path.suffix == ".pdf":
        for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.S):
            try:
                content += b"\n" + zlib.decompress(stream)
            except zlib.error:
                continue
    return content.decode("utf-8", "replace")
