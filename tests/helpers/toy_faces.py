"""A folder of made-up pictures under names of the kind that UTKFace's files have."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

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
