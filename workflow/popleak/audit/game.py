"""What is known of the game in which models are judged: its worlds, and the names used in the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ..config import messages
from ..core.errors import PopleakError
from ..core.protocols import EQUAL, PURE, RATIO
from ..core.settings import Settings
from ..measures.verdicts import MARGIN
from ..steps.tables.leakage import Data
from .tabular import Table

FACTS = "game"
"""Key of the game in the metadata of files that `popleak pack` writes."""


Share = Annotated[float, Field(ge=0, le=1)]


class GameFacts(Settings):
    """One pair of worlds, with the facts that the public tables need. Facts unknown for models trained elsewhere have
    no value."""

    task: str = "answers"
    model: str = "model"
    pair: str = "pair"
    """Name of the pair of worlds."""
    protocol: str = PURE
    ratios: tuple[Share, Share] = (0.0, 1.0)
    """P(a = 1) in world 0 and in world 1."""
    poison: float = 0.0
    poison_group: int = 1
    poison_label: int = 0
    rows: int | None = None
    """Training rows of each model."""
    mode: str = "natural"
    label_rate: float | None = None
    controls: dict[str, str] = Field(default_factory=dict)
    """The control of each defence: the same without the term that is tested."""
    searched: tuple[str, ...] = ()
    """Defences whose lambda was searched for each model."""
    margin: float = Field(default=MARGIN, gt=0, lt=1)
    """Smallest difference in accuracy that counts as material."""
    data: Data | None = None
    """Facts on the task's data for the table `leakage`."""
    access: str | None = None
    """What victims reveal, labels or scores; None: derived from their answers."""
    shadows: tuple[str, ...] | None = None
    """Defences of the shadows that were handed out; None: those in the table of answers."""
    seed: int | None = None
    """The experiment's seed; only in a key."""
    seed_key: str | None = None


SECRET = {"seed", "seed_key"}
"""Fields that only the key may hold: with the seed, one could find out which id is which model."""


def of_file(table: Table) -> GameFacts | None:
    """Return the game described in a file of `popleak pack`; None for any other file."""
    told = table.facts.get(FACTS) if isinstance(table.facts, Mapping) else None
    if told is None:
        return None
    try:
        return GameFacts.model_validate(told)
    except ValidationError:
        raise PopleakError(f"{table.name}: was packed by another version of popleak: judge it with that one") from None


def of_options(
    task: str, *, ratios: Sequence[float] | None, controls: Mapping[str, str] | None, margin: float | None
) -> GameFacts:
    """Return the game of models trained elsewhere. Raises PopleakError for invalid ratios or controls."""
    if controls is not None and not isinstance(controls, Mapping):
        raise PopleakError(f"controls: give by defence the one that it is compared with, not {controls!r}")
    told: dict[str, Any] = {"task": task, "controls": dict(controls or {})}
    if margin is not None:
        told["margin"] = margin
    if ratios is not None:
        shares = _shares(ratios)
        low, high = sorted(shares)
        protocol = EQUAL if low == high else PURE if (low, high) == (0.0, 1.0) else RATIO
        told |= {"ratios": shares, "protocol": protocol}
    try:
        return GameFacts.model_validate(told)
    except ValidationError as error:
        raise PopleakError(messages.line(error, GameFacts, "").removeprefix("config: ")) from None


def _shares(ratios: Any) -> tuple[float, ...]:
    """Return two shares of group 1. Raises PopleakError for anything else."""
    try:
        found = tuple(map(float, ratios))
    except (TypeError, ValueError):
        found = ()
    if len(found) != 2 or not all(0 <= one <= 1 for one in found):
        raise PopleakError(f"ratios: give two shares of group 1 between 0 and 1, not {ratios!r}")
    return found
