"""The two chains of a tabular diffusion model, forwards and one step back: Gaussian for numbers, multinomial for categories.

bars (T + 1,) float64 is the share of a row that is left after t steps, abar_t with abar_0 = 1; a step keeps alpha_t = abar_t / abar_(t-1).

    numbers      q(x_t | x_0) = Normal(sqrt(abar_t) x_0, 1 - abar_t)              Ho, Jain and Abbeel 2020 (DDPM), equations 4 to 7
    categories   q(x_t | x_0) = abar_t [x_t = x_0] + (1 - abar_t) / L              Hoogeboom et al. 2021 (multinomial diffusion), equations 11 to 15
    schedule     abar_t = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2)    Nichol and Dhariwal 2021, equation 17

All functions take arrays that broadcast, t whole numbers from 1 to T.
"""

from __future__ import annotations

import functools

import numpy as np

OFFSET = 0.008
"""s of the schedule."""
MOST = 0.999
"""The most that a step replaces, 1 - alpha_t."""

NOTHING = 1e-12
"""A divisor in place of 0, of what is not used then."""


@functools.cache
def cosine(steps: int) -> np.ndarray:
    """Return bars (T + 1,) float64 of the cosine schedule with T = `steps`."""
    at = np.cos((np.arange(steps + 1) / steps + OFFSET) / (1 + OFFSET) * np.pi / 2) ** 2
    replaced = np.minimum(1 - at[1:] / at[:-1], MOST)
    bars = np.concatenate([[1.0], np.cumprod(1 - replaced)])
    bars.flags.writeable = False
    return bars


def noised(x0: np.ndarray, noise: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """Return numbers x_t of `x0` and standard normal `noise`, at the share `bar` that is left."""
    return np.sqrt(bar) * x0 + np.sqrt(1 - bar) * noise


def denoised(x_t: np.ndarray, noise: np.ndarray, bar: np.ndarray, limit: float) -> np.ndarray:
    """Return x_0 of x_t if `noise` is what was added, within `limit` on both sides, beyond which no data lie."""
    return np.clip((x_t - np.sqrt(1 - bar) * noise) / np.sqrt(bar), -limit, limit)


def gaussian_posterior(x0: np.ndarray, x_t: np.ndarray, t: int, bars: np.ndarray) -> tuple[np.ndarray, float]:
    """Return mean and variance of q(x_(t-1) | x_t, x_0): DDPM, equation 7. The variance is 0 at t = 1."""
    left, before = bars[t], bars[t - 1]
    kept = left / before
    mean = np.sqrt(before) * (1 - kept) / (1 - left) * x0 + np.sqrt(kept) * (1 - before) / (1 - left) * x_t
    return mean, (1 - before) / (1 - left) * (1 - kept)


def replaced(codes: np.ndarray, levels: np.ndarray, bar: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return codes x_t of `codes` x_0: kept with probability `bar`, else any of 0 .. levels - 1.

    draws: uniform on [0, 1); one number serves for both, since what lies beyond `bar` is uniform again.
    """
    return np.where(draws < bar, codes, _level((draws - bar) / np.maximum(1 - bar, NOTHING), levels, codes.dtype))


def _level(share: np.ndarray, levels: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Return the level in which a share of [0, 1) lies."""
    return np.clip(share * levels, 0, levels - 1).astype(kind)


def multinomial_posterior(x0: np.ndarray, x_t: np.ndarray, levels: int, t: int, bars: np.ndarray) -> np.ndarray:
    """Return q(x_(t-1) | x_t, x_0) (..., levels) of codes x_0 and x_t: Hoogeboom et al. 2021, equation 13, where x_0 is one level."""
    kept, before = bars[t] / bars[t - 1], bars[t - 1]
    level = np.arange(levels)
    joint = (kept * (level == x_t[..., None]) + (1 - kept) / levels) * (
        before * (level == x0[..., None]) + (1 - before) / levels
    )
    return joint / joint.sum(-1, keepdims=True)


def stepped_back(
    x0: np.ndarray, x_t: np.ndarray, levels: np.ndarray, t: int, bars: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """Return codes x_(t-1) drawn from `multinomial_posterior` by `draws` uniform on [0, 1), without an array over levels.

    The product of the two sums has four terms: x_t and x_0 where they agree, x_t, x_0, and any level.
    """
    kept, before = bars[t] / bars[t - 1], bars[t - 1]
    both = np.where(x0 == x_t, kept * before, 0.0) + kept * (1 - before) / levels
    first = (1 - kept) * before / levels
    spread = (1 - kept) * (1 - before) / levels
    at = draws * (both + first + spread)
    # levels beside x_t and x_0 are all alike, so that what is left of the draw tells which
    fresh = _level((at - both - first) / np.maximum(spread, NOTHING), levels, x_t.dtype)
    return np.where(at < both, x_t, np.where(at < both + first, x0, fresh))
