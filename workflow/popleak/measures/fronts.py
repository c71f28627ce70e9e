"""Several objectives at once: which points no other one beats, how much of the space they dominate, and whether an order holds elsewhere.

Every objective is a cost: less is better. values (n, d): finite.
"""

from __future__ import annotations

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from .intervals import UNKNOWN, Estimate, open_share, pair


def unbeaten(values: np.ndarray) -> np.ndarray:
    """Return which points (n,) are on the front: no other is at least as good in all objectives and better in one. Equal points
    are on it together."""
    values = _checked(values)
    beaten = [bool(((values <= one).all(axis=1) & (values < one).any(axis=1)).any()) for one in values]
    return ~np.array(beaten, dtype=bool)


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that is dominated by some point and better than `reference` (d,) in all objectives; 0 without such a point.

    Exact, by slices along the last objective. Source: Zitzler & Thiele (IEEE Trans. Evol. Comput. 1999). Raises ValueError for values
    that are not finite and a reference of another length.
    """
    values, reference = _checked(values), np.asarray(reference, dtype=np.float64)
    if reference.shape != values.shape[1:]:
        raise ValueError(f"reference must be ({values.shape[1]},), not {reference.shape}")
    return _volume(values[(values < reference).all(axis=1)], reference)


def _volume(values: np.ndarray, reference: np.ndarray) -> float:
    if len(values) == 0:
        return 0.0
    if len(reference) == 1:
        return float(reference[0] - values.min())
    values = values[np.argsort(values[:, -1], kind="stable")]
    ends = np.append(values[1:, -1], reference[-1])
    depths = ends - values[:, -1]
    return sum(
        float(depth) * _volume(values[: i + 1, :-1], reference[:-1]) for i, depth in enumerate(depths) if depth > 0
    )


def chosen(values: np.ndarray, reference: np.ndarray, most: int) -> list[int]:
    """Return the places of at most so many points of the front, one after another the one that adds most to the hypervolume; of
    equal points the first. Points of the front that add nothing, since they are not better than `reference`, come last."""
    values = _checked(values)
    left = [int(i) for i in np.flatnonzero(unbeaten(values)) if not (values[:i] == values[i]).all(axis=1).any()]
    found: list[int] = []
    while left and len(found) < most:
        gains = [hypervolume(values[[*found, i]], reference) for i in left]
        found.append(left.pop(int(np.argmax(gains))))
    return found


def kendall(x: np.ndarray, y: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return Kendall's tau-b of x and y (n,), independent units; p is NaN.

    Interval: tanh(artanh(tau) -+ z sqrt(.437 / (n - 4))), the limits include the value. NaN where x or y is constant; NaN limits below 5
    units. At -+1 tau is kept 4 / (n (n - 1)) away, to the nearest that n ranks have. Source: Fieller, Hartley & Pearson (Biometrika 1957).
    Raises ValueError for values that are not finite.
    """
    open_share(level, "level")
    x, y = pair(x, np.asarray(y, dtype=np.float64), second="y")
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise ValueError("values must be finite: leave out the units without a value")
    size = x.size
    if size < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return UNKNOWN
    first, second = np.triu_indices(size, k=1)
    a, b = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])
    value = float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    if size < 5:
        return UNKNOWN._replace(value=value)
    most = 1.0 - 4.0 / (size * (size - 1.0))
    z = np.arctanh(np.clip(value, -most, most))
    half = float(special.ndtri((1.0 + level) / 2.0)) * np.sqrt(0.437 / (size - 4))
    low, high = np.tanh(z - half), np.tanh(z + half)
    return Estimate(value, float(min(low, value)), float(max(high, value)), np.nan)


def _checked(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"values must be (n, d), not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite: leave out the points without a value")
    return values
