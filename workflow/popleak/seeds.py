"""Deprecated: `popleak.seeds` is `popleak.core.seeds`. This name goes with the next version."""

import warnings

from .core.seeds import *  # noqa: F403

warnings.warn(
    "popleak.seeds is popleak.core.seeds: import that; the old name goes with the next version",
    DeprecationWarning,
    stacklevel=2,
)
