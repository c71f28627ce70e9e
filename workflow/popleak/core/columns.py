"""Original columns behind the features of a table: what is one number or one category there may be several features here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Columns(NamedTuple):
    """Which features make one column. A *compact* row holds a number for each numeric column, then a code 0 .. L-1 for each categorical one.

    numbers: the features of numeric columns; categories: of each categorical column its features, one 0/1 feature a level, or a single one for two
    levels (`datasets._encode`).
    """

    numbers: tuple[int, ...]
    categories: tuple[tuple[int, ...], ...]

    @classmethod
    def named(cls, names: Sequence[str], width: int) -> Columns:
        """Return the columns of features with these names, `column=value` for a level; of a table that does not name its `width` features
        each is a number."""
        if len(names) != width:
            return cls(tuple(range(width)), ())
        levels: dict[str, list[int]] = {}
        numbers = []
        for feature, name in enumerate(names):
            column, is_level, _ = name.partition("=")
            if is_level:
                levels.setdefault(column, []).append(feature)
            else:
                numbers.append(feature)
        return cls(tuple(numbers), tuple(tuple(features) for features in levels.values()))

    @property
    def levels(self) -> tuple[int, ...]:
        """The number of levels of each categorical column."""
        return tuple(max(len(features), 2) for features in self.categories)

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.numbers) + sum(map(len, self.categories))

    def compact(self, x: np.ndarray) -> np.ndarray:
        """Return features x (..., d) as compact rows (..., c) float32."""
        parts = [x[..., list(self.numbers)]]
        for features in self.categories:
            there = x[..., list(features)]
            parts.append((there > 0.5) if len(features) == 1 else there.argmax(axis=-1)[..., None])
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    def expand(self, rows: np.ndarray) -> np.ndarray:
        """Return compact rows (..., c) as features (..., d) float32."""
        x = np.empty((*rows.shape[:-1], self.width), np.float32)
        x[..., list(self.numbers)] = rows[..., : len(self.numbers)]
        for column, features in enumerate(self.categories, len(self.numbers)):
            levels = np.arange(len(features)) if len(features) > 1 else np.ones(1)
            x[..., list(features)] = rows[..., column, None] == levels
        return x
