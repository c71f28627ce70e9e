"""Deprecated: `popleak.errors` is `popleak.core.errors`. This name goes with the next version."""

import warnings

from .core.errors import *  # noqa: F403

warnings.warn(
    "popleak.errors is popleak.core.errors: import that; the old name goes with the next version",
    DeprecationWarning,
    stacklevel=2,
)
