"""A table of small grey faces: how it is read, which rows contradict each other, which are one picture, and their features.

pyarrow, scipy, scikit-learn and scikit-image are imported inside the functions, since the plan imports every dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.errors import PopleakError
from . import _encode

if TYPE_CHECKING:
    import pyarrow as pa

SIDE = 48
"""Height and width of a picture in the table, in pixels."""
ADULT = 18
OLDER = 30
"""A label and a subgroup: older than this many years."""
COLUMNS = {"age": (ADULT, 120), "gender": (0, 1), "race": (0, 4), "dup_group": (-1, 2**31 - 1)}
"""The columns beside `pixels`, with the least and the largest value of each."""
THUMB = 12
ALIKE = 0.97
"""Two pictures are one if their thumbnails of THUMB x THUMB, or one and the mirrored other, correlate at least so much."""
SLACK = 1e-4
"""More than single precision errs by in a correlation."""
BLOCK = 1024
MEAN, SPREAD = 121.0, 59.0
"""Mean and standard deviation of all pixels of the set, rounded: constants, so no row is needed to know them."""
GRID = 4096.0
"""Principal components are rounded to multiples of 1 / GRID, so that the last bits of a machine's linear algebra do not count."""
CELLS, DIRECTIONS, TOGETHER = 6, 9, 2
"""Histograms of oriented gradients: cells along each side of a picture, directions in each, cells along a block's side."""
N_GRADIENTS = (CELLS - TOGETHER + 1) ** 2 * TOGETHER**2 * DIRECTIONS


class Faces(NamedTuple):
    """N pictures. age, gender, race, copies (N,) int64: copies is a number that byte-identical files share, -1 for a file
    without another; pixels (N, SIDE, SIDE) uint8."""

    age: np.ndarray
    gender: np.ndarray
    race: np.ndarray
    copies: np.ndarray
    pixels: np.ndarray

    def at(self, keep: np.ndarray) -> Faces:
        """Return the pictures that a mask (N,) keeps."""
        return Faces(*(column[keep] for column in self))


def read(paths: Sequence[Path], remedy: str, *, pixels: bool = True) -> Faces:
    """Return the pictures of the files, one after the other; a column that they do not need, such as a name, is never read.

    pixels: whether they are read too; if not, each picture is empty. Raises PopleakError, which ends in `remedy`, for a file that
    is not such a table, and for one without a row.
    """
    parts = [_part(path, remedy, pixels) for path in paths]
    return Faces(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _part(path: Path, remedy: str, pixels: bool) -> Faces:
    table = _table(path, remedy, pixels)
    if not len(table):
        raise PopleakError(f"{path}: holds no rows: {remedy}")
    age, gender, race, copies = (_labels(table, name, path, remedy) for name in COLUMNS)
    shown = _pixels(table) if pixels else np.empty((len(table), 0, 0), np.uint8)
    return Faces(age, gender, race, copies, shown)


def _table(path: Path, remedy: str, pixels: bool) -> pa.Table:
    """Return the columns that are needed, each of which is there once and has no empty field."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        handle = pq.ParquetFile(path)
        schema = handle.schema_arrow
        for name in (*COLUMNS, "pixels"):
            if (times := schema.names.count(name)) != 1:
                said = f"there {times} times" if times else "not there"
                raise PopleakError(f"{path}: column {name!r} is {said}: {remedy}")
        kind = schema.field("pixels").type
        if not pa.types.is_fixed_size_binary(kind) or kind.byte_width != SIDE * SIDE:
            raise PopleakError(f"{path}: column 'pixels' must hold {SIDE} x {SIDE} bytes a row: {remedy}")
        table = handle.read(columns=[*COLUMNS, *(["pixels"] if pixels else [])])
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(
            f"{path}: not the table of pictures expected ({' '.join(str(error).split())[:80]}): {remedy}"
        ) from error
    for name in table.column_names:
        if table[name].null_count:
            raise PopleakError(f"{path}: column {name!r} has empty fields: {remedy}")
    return table


def _labels(table: pa.Table, name: str, path: Path, remedy: str) -> np.ndarray:
    """Return a column of whole numbers (N,) int64 that all lie where COLUMNS says."""
    import pyarrow as pa

    least, most = COLUMNS[name]
    column = table[name]
    values = column.to_numpy() if pa.types.is_integer(column.type) else np.array([least - 1])
    if not (least <= values.min() and values.max() <= most):
        raise PopleakError(f"{path}: column {name!r} must hold whole numbers from {least} to {most}: {remedy}")
    return values.astype(np.int64)


def _pixels(table: pa.Table) -> np.ndarray:
    """Return the pictures (N, SIDE, SIDE) uint8."""
    chunks = [_bytes(chunk, SIDE * SIDE) for chunk in table["pixels"].chunks if len(chunk)]
    return np.concatenate(chunks).reshape(-1, SIDE, SIDE)


def _bytes(chunk, width: int) -> np.ndarray:
    """Return the bytes of an array of fixed-size binary values that has no nulls."""
    start = chunk.offset * width
    return np.frombuffer(chunk.buffers()[1], dtype=np.uint8)[start : start + len(chunk) * width]


def contradictory(faces: Faces) -> np.ndarray:
    """Return which pictures (N,) bool are byte-identical to one with another gender, race, or side of OLDER years, or to one of a
    minor: the number that they share with no other row is that of a copy that was left out for its age."""
    copied = np.flatnonzero(faces.copies >= 0)
    _, place = np.unique(faces.copies[copied], return_inverse=True)
    size = np.bincount(place)
    apart = size < 2
    for values in (faces.gender, faces.race, faces.age > OLDER):
        mine = values[copied].astype(np.int64)
        most, least = np.full(len(size), -1), np.full(len(size), 99)
        np.maximum.at(most, place, mine)
        np.minimum.at(least, place, mine)
        apart |= most != least
    found = np.zeros(len(faces.age), dtype=bool)
    found[copied[apart[place]]] = True
    return found


def pictures(faces: Faces) -> np.ndarray:
    """Return a number for each picture (N,) int64 that pictures share which are copies or nearly so, however many steps apart.

    See ALIKE; `docs/images.md` says what it was chosen by.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(faces.age)
    i, j, _ = similar(faces.pixels, ALIKE)
    first, second = np.concatenate([_copies(faces.copies), np.stack([i, j])], axis=1)
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def similar(pixels: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs i < j (p,) of pictures whose thumbnails correlate at least so much, and the correlation (p,).

    Each pair is compared as it is and with one picture mirrored, and is there twice where both are similar.
    """
    thumbs = shrunk(pixels, THUMB)
    one, mirrored = _standard(thumbs), _standard(thumbs[:, :, ::-1])
    rough_one = one.astype(np.float32)
    found = []
    for left in (one, mirrored):
        rough = left.astype(np.float32)
        for start in range(0, len(pixels), BLOCK):
            close = rough[start : start + BLOCK] @ rough_one[start:].T > least - SLACK
            i, j = (place + start for place in np.nonzero(close))
            i, j = i[i < j], j[i < j]
            correlation = np.einsum("nk,nk->n", left[i], one[j])
            found.append([values[correlation >= least] for values in (i, j, correlation)])
    i, j, correlation = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return i, j, correlation


def _standard(thumbs: np.ndarray) -> np.ndarray:
    """Return thumbnails as rows of mean 0 and length 1, so that products are correlations; a blank one as zeros."""
    rows = thumbs.reshape(len(thumbs), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _copies(numbers: np.ndarray) -> np.ndarray:
    """Return pairs (2, p) of rows that chain those of one number; a negative one is nobody's."""
    order = np.argsort(numbers, kind="stable")
    chained = (numbers[order[1:]] == numbers[order[:-1]]) & (numbers[order[1:]] >= 0)
    return np.stack([order[:-1][chained], order[1:][chained]])


def shrunk(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return pictures (N, s, s) as (N, side, side) float64, each pixel the mean of a square; s must be a multiple of side."""
    step = pixels.shape[1] // side
    return pixels.reshape(len(pixels), side, step, side, step).mean(axis=(2, 4), dtype=np.float64)


def features(pixels: np.ndarray, kind: str, components: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return x (N, d) float32 of pictures (N, side, side) with values from 0 to 255, and the names of its columns.

    kind: `pixels`, standardised by constants; `pca`, that many components of them, fitted on all N rows, each with
    variance 1; `hog`, histograms of oriented gradients, each column standardised over all N rows. All N are the records of
    both groups and all pools, so the features are the same in every world (`_encode`).
    """
    if kind == "hog":
        return _gradients(pixels)
    side = pixels.shape[1]
    x = (pixels.reshape(len(pixels), -1) - MEAN) / SPREAD
    if kind == "pixels":
        return x.astype(np.float32), tuple(f"pixel {i},{j}" for i in range(side) for j in range(side))
    return _components(x, components)


def _components(x: np.ndarray, components: int) -> tuple[np.ndarray, tuple[str, ...]]:
    from sklearn.decomposition import PCA

    most = min(x.shape)
    if components > most:
        raise PopleakError(f"options.components: {components} of pictures that allow {most}: give fewer")
    # through the covariance: no random start, and the signs are set by the components' largest loadings
    found = PCA(components, whiten=True, svd_solver="covariance_eigh").fit_transform(x)
    rounded = np.rint(found * GRID) / GRID
    return rounded.astype(np.float32), tuple(f"component {i}" for i in range(components))


def no_gradients() -> str:
    """Return why `hog` cannot be computed here, or ""."""
    import importlib.util

    if importlib.util.find_spec("skimage") is not None:
        return ""
    return "options.features: hog needs scikit-image: pip install 'popleak[images]', or choose pca"


def _gradients(pixels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if said := no_gradients():
        raise PopleakError(said)
    from skimage.feature import hog

    cell = pixels.shape[1] // CELLS
    found = np.stack(
        [
            hog(one, orientations=DIRECTIONS, pixels_per_cell=(cell, cell), cells_per_block=(TOGETHER, TOGETHER))
            for one in pixels
        ]
    )
    return _encode.stack(
        blocks=[_encode.numeric(name=f"gradient {i}", values=found[:, i]) for i in range(found.shape[1])]
    )
