"""Deprecated: `popleak.contracts` is `popleak.testing.contracts`. This name goes with the next version."""

import warnings

from .testing.contracts import *  # noqa: F403

warnings.warn(
    "popleak.contracts is popleak.testing.contracts: import that; the old name goes with the next version",
    DeprecationWarning,
    stacklevel=2,
)
