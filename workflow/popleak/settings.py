"""Deprecated: `popleak.settings` is `popleak.core.settings`. This name goes with the next version."""

import warnings

from .core.settings import *  # noqa: F403

warnings.warn(
    "popleak.settings is popleak.core.settings: import that; the old name goes with the next version",
    DeprecationWarning,
    stacklevel=2,
)
