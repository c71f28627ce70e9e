"""An experiment's config as pydantic models: the one source of defaults, option texts and the JSON Schema."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ..core.needs import Owners
from ..core.protocols import PURE, Ask
from ..core.settings import Settings
from ..engine.schedule import fits, without_effect
from ..measures.verdicts import MARGIN
from .auditing import Audit
from .entries import Choice, Choices, Counts, Id, Others, RatioMode, each_once
from .samples import Samples
from .searching import Search
from .tasks import Poison, Task, Worlds


class Population(Settings):
    """How many models, and from which pools."""

    splits: int = Field(default=5, ge=1, le=1000)
    """Independent splits of the dataset into victim pool, adversary pool and query pool. Use at least 5 for intervals."""
    victims: int = Field(default=200, ge=2, le=1_000_000)
    """Victims per world and defence, over all splits; a multiple of `splits`."""
    shadows: int = Field(default=100, ge=1, le=100_000)
    """Shadow models per world and defence that each split's adversary trains."""
    halves: int | None = Field(default=None, ge=2, le=100_000)
    """For worlds of protocol membership: models of a split, each of which holds half of the candidates that they share; an even number, 4 at
    least. Each is the victim once, with the others as shadows. By default as many as victims a split."""
    halves_splits: int | None = Field(default=None, ge=1, le=1000)
    """For worlds of protocol membership: pool splits that have such models, the first so many; by default all."""
    victim_share: float = Field(default=0.4, gt=0, lt=1)
    """Share of the rows in the victim pool."""
    adversary_share: float = Field(default=0.4, gt=0, lt=1)
    """Share of the rows in the adversary pool; the rest is the query pool."""
    adversary_from: tuple[str, ...] = ()
    """Values of the records' second attribute (race where the attribute is sex): rows with these, and no others, are the adversary's, and
    victims and query points come from the rest. So the adversary's data are from elsewhere. By default all pools are alike. The plan counts
    with the shares here, so let `adversary_share` be the share of such rows."""
    sub_pools: int = Field(default=1, ge=1, le=100)
    """Parts of equal size into which each split's adversary cuts its pool, by unit, stratified by label and group; shadow i draws its rows from
    part i modulo their number alone. Shadows of one pool share its accidents, which another pool lacks; those of several parts differ in
    them, so that attacks learn what survives a change of pool. A part must hold the rows of a shadow."""
    releases: int = Field(default=1, ge=1, le=100)
    """Models that one owner releases over time, each trained anew on data of the same world: models 0 to releases - 1 of a split are
    the first owner's, and so on. Victims and shadows of a split must be multiples of it. Attacks with access `releases` see all of an owner's
    models; all others, and their own shadows', the last alone, so that a trial is an owner."""
    kept: float = Field(default=0.5, ge=0, lt=1)
    """Share of an owner's rows, by group and in label-balanced draws by label, that stay from one release to the next; the others are replaced
    by rows that were not among them. 0: each release has a draw of its own."""
    public_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the rows in the public pool, which a task has only where a defence trains on public rows (`distillation`); it comes out of the
    query pool. Each model draws `rows` of them, so it must hold as many."""

    @model_validator(mode="after")
    def _check(self) -> Population:
        if self.victims % self.splits:
            low = self.victims // self.splits * self.splits
            near = " or ".join(str(one) for one in (low, low + self.splits) if one)
            raise ValueError(f"victims ({self.victims}) must be a multiple of splits ({self.splits}): {near}")
        for key, models in (("victims a split", self.victims // self.splits), ("shadows", self.shadows)):
            if models % self.releases:
                raise ValueError(
                    f"releases ({self.releases}) must divide the number of {key} ({models}): an owner has them all"
                )
        if self.shadows // self.releases < self.sub_pools:
            raise ValueError(
                f"sub_pools ({self.sub_pools}) must be at most shadows over releases ({self.shadows // self.releases}): each part needs one"
            )
        if self.halves_splits is not None and self.halves_splits > self.splits:
            raise ValueError(f"halves_splits ({self.halves_splits}) must be at most splits ({self.splits})")
        if self.victim_share + self.adversary_share >= 1:
            raise ValueError(
                "victim_share + adversary_share must leave rows for the query pool: make their sum less than 1"
            )
        return self

    def unused(self) -> set[str]:
        told = {
            "kept": self.releases > 1,
            "halves": self.halves is not None,
            "halves_splits": self.halves_splits is not None,
        }
        return {name for name, so in told.items() if not so}

    def halved(self) -> tuple[int, int]:
        """Return how many models of a split share candidates, and how many splits have such models."""
        models = self.victims // self.splits if self.halves is None else self.halves
        return models, self.halves_splits or self.splits

    def shared(self) -> list[str]:
        """Return what decides which rows shadows and the releases of one owner share, as far as it is not the usual."""
        told = {"sub_pools": (self.sub_pools, 1), "releases": (self.releases, 1), "kept": (self.owners().kept, 0.0)}
        return [f"{name} {value!r}" for name, (value, usual) in told.items() if value != usual]

    def owners(self) -> Owners:
        """Return how the models of one owner belong together."""
        return Owners(releases=self.releases, kept=self.kept if self.releases > 1 else 0.0)


class Budgets(Settings):
    """With how much less than all shadows and query points attacks are run as well, for the table and the figure `budgets`."""

    shadows: Counts = ()
    """Shadow models a world, each number with all query points; at most `population.shadows`. Where owners release several, a shadow is an
    owner: at most `population.shadows` over `population.releases`."""
    queries: Counts = ()
    """Query points, each number with all shadows; a number above the points that there are stands for all."""
    ask: Annotated[tuple[Ask, ...], Field(min_length=1)] = ("drawn", "separating")
    """Which query points are asked. drawn: at random, from both worlds in turn; separating: those on which the adversary's shadows of the
    worlds differ most, in units of their spread, as many from each world (attacks that learn from shadows)."""

    def unused(self) -> set[str]:
        return set() if self.queries else {"ask"}

    @field_validator("shadows", "queries", "ask")
    @classmethod
    def _once(cls, value: tuple) -> tuple:
        return each_once(value)


class Train(Settings):
    """How models are trained: Adam on binary cross-entropy."""

    epochs: int = Field(default=20, ge=1, le=100_000)
    """Passes over the training rows."""
    batch: int = Field(default=256, ge=1, le=10_000_000)
    """Rows a step."""
    learning_rate: float = Field(default=0.003, gt=0)
    """Adam's step size, with a `schedule` that of the first epoch."""
    schedule: Literal["constant", "linear", "cosine", "restarts"] = "constant"
    """Step size by epoch: the same in all; falling linearly or as half a cosine towards 0; or the cosine `cycles` times (warm restarts)."""
    cycles: int = Field(default=1, ge=1, le=10_000)
    """Cycles of the schedule `restarts`; at most `epochs`."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty on all weights."""
    validation: float = Field(default=0.1, ge=0, lt=0.9)
    """Share of a model's own draw that is held out, for the validation loss and for `eo_weight: auto`."""

    def unused(self) -> set[str]:
        return without_effect(self.schedule)

    @model_validator(mode="after")
    def _fits(self) -> Train:
        if not fits(self.schedule, self.cycles, self.epochs):
            raise ValueError(f"{self.cycles} cycles do not fit {self.epochs} epochs: lower `cycles`")
        return self


class Engine(Settings):
    """How work is divided into jobs, and where it runs. None of these changes a number beyond rounding."""

    stack: int = Field(default=32, ge=1, le=1_000_000)
    """Number of models between two lines of progress, and in memory at once; a GPU takes as many as fit."""
    job_seconds: float = Field(default=60.0, gt=0)
    """CPU seconds that a job should take: worlds and pairs of worlds share a job until it is full, and a larger one is cut. Another
    value means other files, into which models are copied from those that are there."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where models are trained. `auto`: a GPU if there is an NVIDIA driver (Linux) and torch finds one. A GPU adds in another order:
    weights agree with a CPU's to 1e-4 after a few epochs (a test checks this where there is a GPU)."""
    backend: Literal["auto", "numba", "torch"] = "auto"
    """What trains and scores. `numba`: compiled loops, for MLPs with two classes and plain
    convolution nets, on a CPU; any other model is refused.
    `torch`: any model, on a CPU one at a time and several times slower. `auto`: numba if it can, else torch. Both
    compute the same up to rounding."""
    reuse: bool = True
    """Whether models that another file of the store holds are copied instead of trained again: the same code, settings, seed and rows
    give the same weights, bit for bit. False trains them again."""


class Experiment(Settings):
    """A whole experiment."""

    experiment: Id = "default"
    """Names the folder of the public tables, figures and the report: results/<experiment>/."""
    title: str = ""
    """Title of the report, one line."""
    seed: int = Field(default=1, ge=0, lt=2**53)
    """Everything random follows from it."""
    data_dir: str | None = None
    """Folder of raw data files, with one folder for each dataset. Default: the environment variable POPLEAK_DATA; missing files are downloaded."""
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    """Datasets with a label and a sensitive attribute."""
    worlds: Annotated[tuple[Worlds, ...], Field(min_length=1)] = (
        Worlds.model_construct(protocol=PURE, ratios=(0.0, 1.0)),
    )
    """What adversaries distinguish: pairs of worlds, or many worlds."""
    ratio_mode: RatioMode = "natural"
    """natural: P(y | a) kept, so the label rate moves with the ratio; label-balanced: P(y) equal in both worlds and groups."""
    models: Choices = (Choice(name="mlp"),)
    """Victims' and shadows' architecture."""
    defences: Choices = tuple(
        Choice(name=n) for n in ("none", "finetune", "rehearsal", "scratch", "fft", "fft-rehearsal")
    )
    """Defences; `none` must be among them."""
    attacks: Choices = tuple(Choice(name=n) for n in ("accuracy-gap", "loss", "threshold", "kl", "meta"))
    """Attacks."""
    access: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """What adversaries may see of a victim (`popleak list access`): its labels, its scores, its weights, the scores of the base model too
    (`pair`), or its training rows. Attacks that need access that is not listed are left out; by default none is."""
    knowledge: Annotated[tuple[Literal["unaware", "aware", "informed"], ...], Field(min_length=1)] = (
        "unaware",
        "informed",
    )
    """unaware: undefended shadows; aware: shadows with the same defence at its default settings (run where those are not the victim's);
    informed: shadows with the same defence and settings."""
    shadow_models: Others = ()
    """Further architectures for shadows, in addition to the victim's own."""
    generators: Others = ()
    """Models that a sharer trains on its rows to release rows drawn from them (`tabular-diffusion`, say), for worlds of protocol `samples`."""
    sharers: Choices = (Choice(name="none"),)
    """What the sharer does against what these rows give away: defences that apply to generators; `none` must be among them."""
    samples: Samples = Samples()
    """What each generator releases."""
    poison: Poison = Poison()
    """Rows that the adversary adds to every draw."""
    repeats: Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(min_length=1)] = (1,)
    """How often the adversary asks each query of a defence that answers at random; it takes the mean score, or the label given most
    often. Each number is run; 1 must be among them."""
    population: Population = Population()
    """How many models, and from which pools."""
    budgets: Budgets = Budgets()
    """With how much less than all shadows and query points attacks are run as well; by default with none."""
    training: Train = Train()
    """How models are trained."""
    engine: Engine = Engine()
    """How work is divided into jobs, and where it runs."""
    figures: tuple[str, ...] = ("leakage", "gap", "bound", "tradeoff", "roc")
    """Figures to draw."""
    paper: Annotated[str, Field(min_length=1)] = "fair-finetuning"
    """Whose claims are judged: a paper that comes with the package, or a file of your own that ends in .yaml (docs/claims.md)."""
    tau: float = Field(default=0.1, gt=0, lt=1)
    """The accuracy gap under which the paper calls a model safe; used by verdicts and figures."""
    margin: float = Field(default=MARGIN, gt=0, lt=0.5)
    """Smallest difference in an adversary's accuracy that counts as material: 0.05 is 5 points, twice that in advantage. A difference that
    is shown to be smaller gets the verdict `no material difference`. State it before the run."""
    search: Search | None = None
    """The search over the model axis that `popleak pareto` runs (docs/search.md). A run of Snakemake without the target `pareto`
    ignores it."""
    audit: Audit | None = None
    """Makes the page and the file for whoever decides on a release; by default neither."""

    def unused(self) -> set[str]:
        return {name for name in ("search", "audit") if getattr(self, name) is None}

    @field_validator("defences", "sharers")
    @classmethod
    def _has_none(cls, value: tuple[Choice, ...]) -> tuple[Choice, ...]:
        return _need_none(value)

    @field_validator("access", "knowledge")
    @classmethod
    def _once(cls, value: tuple | None) -> tuple | None:
        return None if value is None else each_once(value)

    @field_validator("repeats")
    @classmethod
    def _has_one(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if 1 not in value or len(set(value)) < len(value):
            raise ValueError("1 must be among the repeats, and each number once")
        return value

    @model_validator(mode="after")
    def _task_defences(self) -> Experiment:
        for task in self.tasks:
            for chosen in (task.defences, task.sharers):
                if chosen is not None:
                    _need_none(chosen)
        return self


def _need_none(value: tuple[Choice, ...]) -> tuple[Choice, ...]:
    if not any(choice.key == "none" for choice in value):
        raise ValueError(
            "`none` must be among the defences: the others are compared with it, and it provides the unaware shadows"
        )
    return value
