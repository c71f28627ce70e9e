"""The attack contract: calibrate on shadows, then judge one victim alone.

`calibrate` sees shadow outputs of both worlds and the query set; it never sees a victim. The judge it returns scores
ONE victim's outputs, so no scale, threshold or rank can come from other victims. Higher = more like world 1.

What `outputs` of one model are follows from the attack's `access`, the name of a file in `threat/access/`, q being the number of query
points:

    labels   (q,) hard labels 0.0 / 1.0; of C > 2 classes 0.0 .. C-1, the class with the largest score, of equals the first
    scores   (q,) scores P(y = 1 | x) in [0, 1]; of C > 2 classes (q, C), P(y | x)
    weights  (P,) all weights, layer by layer: of each layer its matrix (out, in), row by row, then its biases (out,)
    weights-start (2P,) the same, then the weights that training began with
    pair     (2q,) scores of the base model M_0, then those of the defended model; of C > 2 classes (2q, C)
    releases (k q,) scores of the k models that one owner released, the earliest first; of C > 2 classes (k q, C)
    rows     (n,) int64 ids of the rows that the model was trained on, into `Game.records`

Of a generator, which answers no query, they are m of its samples, a row each, and columns are *compact* (`core/columns.py`):

    samples          (m, 2 + c) float32: label y, group a, then the c compact columns
    samples-withheld (m, 1 + c) float32: the same without the group
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..core.columns import Columns
from ..core.settings import NoSettings
from ..core.settings import Settings as AnySettings


class Query(NamedTuple):
    """The adversary's query points, m of them, from the query pool (disjoint from every training row).

    y, a (m,) int8: label and group; origin (m,) int8: the world whose distribution the point was drawn from (-1, for neither,
    comes up with `all_points` alone);
    cell (m,) int16 or None: the discrete feature, where the dataset has one.

    Attacks on generators get auxiliary rows in their place: x (m, d) float32, their features, and `columns`, which of these are one column.
    They hold as many rows of group 0 as of group 1, each group's drawn at random, so P(x, y | a) of them is the population's.
    """

    y: np.ndarray
    a: np.ndarray
    origin: np.ndarray
    cell: np.ndarray | None = None
    x: np.ndarray | None = None
    columns: Columns | None = None

    def at(self, positions: np.ndarray) -> Query:
        """Return the query points at these positions (k,)."""
        cell, x = (None if values is None else values[positions] for values in (self.cell, self.x))
        return Query(self.y[positions], self.a[positions], self.origin[positions], cell, x, self.columns)


def hard_labels(scores: np.ndarray, *, classes: int = 2) -> np.ndarray:
    """Return the labels, as floats, of scores (..., q), 1 from one half on; of more than two classes the label of the largest score, of equals
    the first, of scores (..., q, C)."""
    return (scores >= 0.5 if classes == 2 else scores.argmax(axis=-1)).astype(np.float64)


class Poison(NamedTuple):
    """What the adversary slipped into every model's draw: a share of its rows are records of `group` whose label was
    `label` and is flipped. With share 0 nothing was, and group and label still name the target points."""

    share: float
    group: int
    label: int


class Records(NamedTuple):
    """Records that row ids point to: features x (N, d) float32, the group among them only where the task says so, and labels y (N,) int8."""

    x: np.ndarray
    y: np.ndarray


class Game(NamedTuple):
    """What the adversary knows of the two worlds.

    ratio_0, ratio_1: P(a = 1) in each world, or what else the worlds differ in where `groups` is False; rows: training rows of each model; mode: natural or label-balanced;
    model: the victim's model name; law (2, cells, 2) int64 or None: number of rows of the training pool by group, cell and
    label; label_rate: P(y = 1) over the whole dataset, which label-balanced draws keep. The law is given only where the generator publishes it (synthetic data); only `ceiling` may use it.
    seed: of the attack's own randomness (initial weights of a meta-classifier, say), the same for every call on one split;
    sides: (features, units of each hidden layer, 1) of the models if they are chains of Linear and ReLU, else None; records:
    what row ids point to, for access `rows` alone; poison: what was slipped into the draws.
    labels: of samples of a generator, "own": their labels follow the sharer's label rate; "even": the receiver asked for labels half and half,
    so that P(y) in the samples says nothing, and P(a | y) is what it is.
    """

    ratio_0: float
    ratio_1: float
    rows: int
    mode: str
    model: str
    law: np.ndarray | None = None
    label_rate: float | None = None
    seed: int = 0
    sides: tuple[int, ...] | None = None
    records: Records | None = None
    poison: Poison = Poison(0.0, 1, 0)
    groups: bool = True
    labels: str = "own"


class Judge:
    """What calibration returns. `score` must depend on its argument and the calibration alone."""

    def score(self, outputs: np.ndarray) -> float:
        """Return the evidence for world 1 in one victim's `outputs` (m,), finite, 0 being the threshold."""
        raise NotImplementedError

    def guess(self, score: float) -> int:
        """Return the world, 0 or 1, or -1 to abstain (counted as a coin flip). A score of exactly 0 abstains."""
        return -1 if score == 0 else int(score > 0)


class TransductiveJudge(Judge):
    """A judge whose scores depend on the company of victims. Only an attack marked `transductive` may return one."""

    def score_all(self, outputs: np.ndarray) -> np.ndarray:
        """Return the scores (V,) of all victims of a call, outputs (V, m), as one."""
        raise NotImplementedError


class Estimator:
    """What `calibrate_many` returns: names one model's ratio. Must depend on its argument and the calibration alone."""

    def __init__(self, ratios: Sequence[float]) -> None:
        self.ratios = np.asarray(ratios, dtype=np.float64)

    def estimate(self, outputs: np.ndarray) -> float:
        """Return P(a = 1) of the draw of the model with `outputs` (m,), in [0, 1]."""
        raise NotImplementedError

    def name(self, outputs: np.ndarray) -> int:
        """Return the index of the world named: by default the ratio nearest to the estimate, of equals the lowest."""
        return int(np.argmin(np.round(np.abs(self.ratios - self.estimate(outputs)), 12)))


class Attack:
    """Base of attacks. Set the class attributes, implement `calibrate`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    access: ClassVar[str]
    """What is seen of a victim: see the top of this file."""
    shadow_access: ClassVar[str | None] = None
    """What is seen of the shadows, which are the adversary's own; None: the same as of a victim."""
    classes: ClassVar[int | None] = 2
    """How many classes the label has that models are judged on. None: any number, outputs being as the top of this file says."""
    shadows: ClassVar[bool] = True
    """False: the attack uses no shadows, `calibrate` gets none, (0, m), and knowledge of the defence is all one."""
    undefended_only: ClassVar[bool] = False
    """True: the attack speaks of undefended victims only."""
    reference: ClassVar[bool] = False
    """True: a line to compare with, no adversary of the game's rules, so never a candidate for `best`."""
    transductive: ClassVar[bool] = False
    """True: scores depend on the other victims of the call; `calibrate` returns a `TransductiveJudge`."""
    ignores_shadow_order: ClassVar[bool] = True
    """False: scores depend on the order in which the shadows are stored, which means nothing; a reference alone may do so."""
    all_points: ClassVar[bool] = False
    """True: the attack asks every query point at hand, also those that stand for neither world (origin -1)."""
    reads: ClassVar[tuple[str, ...]] = ("y", "a", "origin")
    """Fields of the query set that the scores depend on; whoever judges models by their answers alone may not know the others."""
    least_points: ClassVar[int] = 1
    """Fewest query points that it can judge by, drawn from the worlds in turn; 2: it needs one from each world."""
    seconds: ClassVar[float] = 0.0
    """CPU seconds that one calibration takes beyond a usual attack's, for the estimate of a run."""
    rows: ClassVar[bool] = False
    """True: the attack judges whether rows were trained on, and no worlds: it is a `_members.MemberAttack`."""
    of_samples: ClassVar[bool] = False
    """True: the attack judges rows that a generator releases, and no answers: it is a `_samples.SamplesAttack`."""
    many: ClassVar[bool] = False
    """True: the attack can name one ratio among many: it implements `calibrate_many`."""
    reaches: ClassVar[float | None] = None
    """Accuracy, 0.5 to 1, that the attack promises on the contract suite's easy pair of worlds; None: better than chance, no more."""
    reaches_many: ClassVar[float | None] = None
    """The same of the share of worlds far apart that `calibrate_many` names rightly."""
    estimates_within: ClassVar[float | None] = None
    """Mean absolute error of the ratio that it promises there; None: estimates that rise with the ratio, no more."""
    Settings: ClassVar[type[AnySettings]] = NoSettings
    """The plugin's own settings. The methods are given what was read into them, so each names its own class."""

    def known_accuracy(self, *, game: Game, query: Query) -> tuple[float, float] | None:
        """Return the accuracy of the best possible adversary and its standard error, where it is known; else None."""
        return None

    def applies(self, game: Game) -> bool:
        """Return False where the attack has nothing to say and is left out in silence (no law for `ceiling`, say)."""
        return True

    def refuses(self, game: Game) -> str | None:
        """Return why the attack cannot be mounted on these models (weights of a model without layers, say), for the config
        to refuse it in one line; None if it can."""
        return None

    def ignores_unit_order(self, settings: Any) -> bool:
        """Return whether renaming a chain's hidden units, with their incoming and outgoing weights, leaves the score as
        it is; asked of attacks with access to weights alone. False: the attack is known to be naive in this."""
        return True

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Any
    ) -> Judge:
        """Return a judge fitted to the outputs (S0, m) and (S1, m) of shadows trained in world 0 and in world 1.

        Sound with one shadow a world, with constant outputs and with scores of exactly 0 and 1.
        """
        raise NotImplementedError

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Any
    ) -> Estimator:
        """Return an estimator fitted to the outputs (S_k, m) of shadows of k worlds with these rising `ratios`.

        `query.origin` is 0 on points of group 0 and 1 on points of group 1; game.ratio_0 and ratio_1 are the lowest and the
        highest ratio. Sound with one shadow a world and with constant outputs.
        """
        raise NotImplementedError
