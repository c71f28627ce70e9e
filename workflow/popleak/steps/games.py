"""Worlds and games as jobs are told of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A game: its name in stored tables, its protocol, the worlds' ratios (two, or many) and the share of poison in their draws."""

    pair: str
    protocol: str
    ratios: tuple[float, ...]
    poison: float

    @property
    def listed(self) -> str:
        """The ratios as tables of many worlds list them, separated by spaces."""
        return " ".join(str(float(ratio)).removesuffix(".0") for ratio in self.ratios)


@dataclass(frozen=True, kw_only=True)
class Played:
    """The names of a game's worlds, and of the world that a defence of each world's models turns to."""

    pair: str
    worlds: tuple[str, ...]
    towards: tuple[str, ...]

    def direction(self, b: int, *, base: bool) -> tuple[str, str]:
        """Return (world, from_world) of the models of world b; base: of those that are not defended."""
        return self.worlds[b], self.worlds[b] if base else self.towards[b]


@dataclass(frozen=True, kw_only=True)
class Poison:
    """Whose rows, by group and label, the adversary slips in with the label flipped."""

    group: int
    label: int
