"""A folder of made-up pictures under names of the kind that UTKFace's files have."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from popleak.datasets._face_files import BROKEN

SIDE = 64


def picture(rng: np.random.Generator) -> np.ndarray:
    """Return a smooth picture (SIDE, SIDE) uint8 of noise on a coarse grid."""
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    handle = io.BytesIO()
    Image.fromarray(pixels).save(handle, "JPEG", quality=quality)
    return handle.getvalue()


def name(number: int, age: int, gender: int, race: int) -> str:
    return f"{age}_{gender}_{race}_{20170100000000000 + number}.jpg.chip.jpg"


def write(folder: Path, count: int, seed: int = 1) -> list[str]:
    """Write `count` pictures of adults, each label independent of all else; return the files' names."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(count):
        names.append(name(number, int(rng.integers(18, 60)), int(rng.integers(2)), int(rng.integers(5))))
        (folder / names[-1]).write_bytes(jpeg(picture(rng)))
    return names


def write_all_kinds(folder: Path) -> Path:
    """Write 120 pictures, three with a broken name, two of minors, and copies of all kinds; return the folder."""
    write(folder, 120)
    rng = np.random.default_rng(2)
    one = picture(rng)
    for stem in BROKEN:
        (folder / f"{stem}.jpg.chip.jpg").write_bytes(jpeg(one))
    put = {
        (200, 5, 0, 0): jpeg(picture(rng)),
        (201, 40, 0, 0): jpeg(one),
        (202, 41, 0, 0): jpeg(one),  # a copy, byte by byte, whose labels agree with it
        (203, 42, 0, 0): jpeg(one, quality=60),
        (204, 43, 1, 1): jpeg(one[:, ::-1], quality=80),
    }
    for number, (less, more) in enumerate([((0, 0, 50), (1, 0, 50)), ((0, 0, 50), (0, 2, 50)), ((0, 0, 50), (0, 0, 20)), ((0, 0, 50), (0, 0, 9))]):  # fmt: skip
        copy = jpeg(picture(rng))
        for side, (gender, race, age) in enumerate((less, more)):
            put[300 + 2 * number + side, age, gender, race] = copy
    for labels, data in put.items():
        (folder / name(*labels)).write_bytes(data)
    (folder / "readme.txt").write_text("not a picture")
    (folder / "._1_1_1_20170109150557335.jpg").write_bytes(b"a file system's note")
    return folder
