"""Tables joined of parts that are no frames yet: to make a frame of each small part takes most of the time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def join(parts: Sequence[dict]) -> pd.DataFrame:
    """Return the rows of all parts. A part maps the same columns to arrays of one length, or to a value of all its rows."""
    whole = {name: any(isinstance(part[name], np.ndarray) for part in parts) for name in parts[0]}
    lengths = [max(len(value) for value in part.values() if isinstance(value, np.ndarray)) for part in parts]
    arrays = {
        name: np.concatenate([np.broadcast_to(part[name], length) for part, length in zip(parts, lengths, strict=True)])
        for name in whole
        if whole[name]
    }
    single = pd.DataFrame([{name: part[name] for name in whole if not whole[name]} for part in parts])
    repeated = single.take(np.repeat(np.arange(len(parts)), lengths)).reset_index(drop=True)
    return pd.concat([pd.DataFrame(arrays), repeated], axis=1)
