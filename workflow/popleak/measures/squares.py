"""Squared differences between the groups' rates: what Delta_EO of two defences is compared by, since it has no bias."""

from __future__ import annotations

import numpy as np


def squared_differences(positives: np.ndarray, counts: np.ndarray, population: np.ndarray) -> np.ndarray:
    """Return the squared difference between the groups' rates of each label, without the part that sampling adds, (K, 2) by y.

    positives (K, 2, 2) hard positives and counts (2, 2) rows by [y, a]; population (2, 2): the rows that these are a random part
    of. With d_y the difference of the measured rates,
        d_y^2 - sum_a p_ya (1 - p_ya) / (n_ya - 1) (1 - n_ya / N_ya)
    has the square of the population's difference as its expectation, whatever the rates are, so that two models may be compared whose
    rates are measured with different noise. A largest absolute difference cannot be had without bias, nor can one whose sign is chosen
    on other rows. Below 0 by chance; NaN where a group has fewer than two rows of the label. Source: the variance of a mean of
    draws without replacement (Cochran, Sampling Techniques, 1977, section 2.6).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = positives / counts
        spread = rate * (1.0 - rate) / (counts - 1.0) * (1.0 - counts / population)
    return np.where((counts > 1).all(axis=1), (rate[:, :, 1] - rate[:, :, 0]) ** 2 - spread.sum(axis=2), np.nan)
