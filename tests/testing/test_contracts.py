"""Every plugin passes the public contract suite, and the suite catches plugins that break the contract."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from odd_models import ODD, Odd
from popleak.attacks.base import Attack, Game, Judge, Query, TransductiveJudge
from popleak.attacks.kl import KL
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.models.base import Model
from popleak.models.prior import Prior
from popleak.testing import contracts

pytestmark = pytest.mark.slow

LAW = np.array([[[900, 100], [1500, 500]], [[300, 900], [200, 1100]]])


def generate_law(attack, *, kind, seed=0, model="prior"):
    """Models `prior` or `histogram` drawn from a pool whose counts are LAW: what `ceiling` can judge."""
    ratios = (0.5, 0.5) if kind == "null" else (0.0, 1.0)
    pool = [(a, c, y) for a in (0, 1) for c in (0, 1) for y in (0, 1) for _ in range(LAW[a, c, y])]
    a, cell, y = np.array(pool, np.int16).T
    rng, plugin = np.random.default_rng(seed), plugins.load("models", model)
    members, asked = [np.flatnonzero(a == g) for g in (0, 1)], np.array([0, len(a) - 1, 1200, 5000])

    def outputs(ratio, models):
        sizes, own = (200 - round(200 * ratio), round(200 * ratio)), plugin.Settings()
        draw = [[rng.choice(members[g], sizes[g], replace=False) for g in (0, 1)] for _ in range(models)]
        rows = np.stack([np.concatenate(parts) for parts in draw])
        weights = plugin.fit(y=y, cell=cell, rows=rows, settings=own)
        return contracts.frozen(plugin.predict(weights, cell=cell, rows=asked, settings=own))

    game = Game(*ratios, rows=200, mode="natural", model=model, law=LAW)
    query = Query(y=y[asked], a=a[asked], origin=a[asked], cell=cell[asked])
    return contracts.Example(
        *(outputs(r, n) for n in (contracts.SHADOWS, contracts.VICTIMS) for r in ratios), query=query, game=game
    )


# Made-up scores follow no law that `ceiling` could know, and are calibrated in no population, as `calibration` needs: these are checked on
# models that are, below and beside its own tests.
GENERIC = [
    name
    for name in plugins.names("attacks")
    if name not in ("ceiling", "calibration") and not plugins.load("attacks", name).rows
]


@pytest.mark.parametrize("name", GENERIC)
def test_attack(name):
    contracts.check_attack(plugins.load("attacks", name))


@pytest.mark.parametrize("model", ["prior", "histogram"])
def test_ceiling(model):
    contracts.check_attack(
        plugins.load("attacks", "ceiling"), generate=lambda attack, **keys: generate_law(attack, model=model, **keys)
    )


@pytest.mark.parametrize("form", ["sorted", "flat"])
def test_weights_forms(form):
    attack = plugins.load("attacks", "weights")
    contracts.check_attack(attack, settings=attack.Settings(form=form))


def test_kl_vote():
    contracts.check_attack(KL(), settings=KL.Settings(aggregate="vote"))


@pytest.mark.parametrize("name", plugins.names("models"))
def test_model(name):
    model = plugins.load("models", name)
    if model.gradient:
        pytest.importorskip("torch")
    # a model of images takes as many numbers as an image has
    shaped = model.gradient and model.shape(144, model.Settings()) is not None
    contracts.check_model(model, **({"features": 144} if shaped else {}))


class Pictures(Model):
    """A convolution net on square images of one colour, for any number of classes."""

    name, summary, classes = "pictures", "a small convolution net", None

    def shape(self, n_features, settings):
        side = round(n_features**0.5)
        return (1, side, side)

    def build(self, n_features, settings, classes=2):
        from torch import nn

        side = self.shape(n_features, settings)[1] // 2
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(3 * side**2, 1 if classes == 2 else classes),
        )  # fmt: skip


def test_a_model_of_images():
    contracts.check_model(Pictures(), features=144)
    with pytest.raises(PopleakError, match="its input is 1 x 3 x 3, 9 numbers, and a record has 7"):
        Pictures().architecture(7, Pictures.Settings())


class Blocks(Model):
    """Convolution nets by their channels, and nothing more."""

    name, summary, classes = "blocks", "blocks of convolution and pooling", None

    def shape(self, n_features, settings):
        return (1, 12, n_features // 12)

    def channels(self, n_features, settings):
        return (3, 2)


class Average(Blocks):
    """Tells channels, and pools otherwise."""

    channels = Blocks.channels

    def build(self, n_features, settings, classes=2):
        from torch import nn

        module = super().build(n_features, settings, classes)
        module[2] = nn.AvgPool2d(2)
        return module


class Zero(Blocks):
    """Tells channels, and starts elsewhere."""

    channels = Blocks.channels

    def build(self, n_features, settings, classes=2):
        from torch import nn

        module = super().build(n_features, settings, classes)
        nn.init.zeros_(module[0].weight)
        return module


class Flat(Blocks):
    def shape(self, n_features, settings):
        return None


def test_a_model_of_channels():
    contracts.check_model(Blocks(), features=144)
    with pytest.raises(
        AssertionError, match="`build` does not make the net that `dense`, or `channels` and `shape`, tell of"
    ):
        contracts.check_gradient(Average(), Average.Settings(), 144)
    with pytest.raises(
        AssertionError, match="`build` has initial weights of its own: then leave out `dense` or `channels`"
    ):
        contracts.check_gradient(Zero(), Zero.Settings(), 144)
    with pytest.raises(PopleakError, match=r"model blocks: `channels` are of images: let `shape` return"):
        Flat().architecture(144, Flat.Settings())


def test_classes_that_a_model_does_not_tell_apart_are_refused():
    with pytest.raises(PopleakError, match="model smooth-two: it tells 2 classes apart, and the label has 4: choose"):
        Two().architecture(7, Two.Settings(), 4)
    mlp = plugins.load("models", "mlp")
    assert mlp.architecture(7, mlp.Settings(), 4).sides == (7, 32, 16, 4)
    assert Pictures().architecture(144, Pictures.Settings(), 4).form.outputs == 4


class Two(Model):
    name, summary = "smooth-two", "two classes and no more"

    def sides(self, n_features, settings):
        return (n_features, 1)


class Smooth(type(plugins.load("models", "mlp"))):
    """A module of its own, in a subclass of a plugin that tells sides."""

    def build(self, n_features, settings):
        from torch import nn

        return nn.Sequential(nn.Linear(n_features, 4), nn.Tanh(), nn.Linear(4, 1))


class Shy(type(plugins.load("models", "mlp"))):
    """Tells sides, and builds the chain with initial weights of its own."""

    def sides(self, n_features, settings):
        return (n_features, 4, 1)

    def build(self, n_features, settings):
        from torch import nn

        module = nn.Sequential(nn.Linear(n_features, 4), nn.ReLU(), nn.Linear(4, 1))
        nn.init.zeros_(module[2].weight)
        return module


def test_a_subclass_that_builds_does_not_inherit_sides():
    from popleak.engine.fit import Chain, way_of
    from popleak.engine.stacked import Stacked

    plugin = plugins.load("models", "mlp")
    assert isinstance(plugin.architecture(7, plugin.Settings()), Chain)
    assert isinstance(way_of(Smooth().architecture(7, plugin.Settings())), Stacked)
    assert isinstance(Shy().architecture(7, plugin.Settings()), Chain)


def test_sides_stand_for_torchs_initial_weights():
    with pytest.raises(AssertionError, match="initial weights of its own"):
        contracts.check_gradient(Shy(), Shy.Settings())


@pytest.mark.parametrize("model", ODD[:-1], ids=lambda model: model.name)
def test_models_that_are_no_chains(model):
    contracts.check_model(model)


class MonteCarlo(Odd):
    """Draws in eval mode too."""

    name = "monte-carlo"

    def build(self, n_features, settings):
        from torch import nn

        class Sampler(nn.Linear):
            def forward(self, x):
                return nn.functional.dropout(super().forward(x), 0.5, training=True)

        return Sampler(n_features, 1)


class Neighbourly(Odd):
    """Scores a row beside the others that are asked."""

    name = "neighbourly"

    def layers(self, d):
        from torch import nn

        return nn.Linear(d, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 1)


class Forgetful(Odd):
    """Learns something that is in no buffer."""

    name = "forgetful"

    def build(self, n_features, settings):
        from torch import nn

        class Centred(nn.Linear):
            mean = 0.0

            def forward(self, x):
                if self.training:
                    self.mean = x.mean(0).detach()
                return super().forward(x - self.mean)

        return Centred(n_features, 1)


class Strange(Odd):
    """Draws from numpy's global generator."""

    name = "strange"

    def build(self, n_features, settings):
        from torch import nn

        class Noisy(nn.Linear):
            def forward(self, x):
                return super().forward(x) * (float(np.random.rand()) if self.training else 1.0)  # noqa: NPY002

        return Noisy(n_features, 1)


class Idle(Odd):
    name = "idle"

    def build(self, n_features, settings):
        from torch import nn

        class Unused(nn.Linear):
            def __init__(self):
                super().__init__(n_features, 1)
                self.other = nn.Linear(2, 2)

        return Unused()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MonteCarlo(), "draw nothing at random"),
        (Neighbourly(), "one row must work"),
        (ODD[-1], "depend on that row alone"),
        (Forgetful(), "must be in its parameters or in buffers"),
        (Strange(), "from torch's generator alone"),
        (Idle(), "no gradient reaches parameter other.weight"),
    ],
    ids=lambda one: getattr(one, "name", None),
)
def test_suite_catches_modules(model, message):
    with pytest.raises(AssertionError, match=message):
        contracts.check_model(model)


class Mean(Judge):
    """An honest judge: distance of the score vector to the worlds' mean vectors."""

    def __init__(self, shadows_0, shadows_1):
        self.means = [shadows.astype(np.float64).mean(axis=0) for shadows in (shadows_0, shadows_1)]

    def score(self, outputs):
        d = [float(np.sum((outputs - mean) ** 2)) for mean in self.means]
        return d[0] - d[1]


class Honest(Attack):
    name = "honest"
    summary = "distance to mean"
    access = "scores"
    judge: type[Judge] = Mean

    def calibrate(self, *, shadows_0, shadows_1, query, game, settings):
        return self.judge(shadows_0, shadows_1)


class Ranks(Mean):
    """Subtracts the mean of what it has seen: a threshold from other victims."""

    seen: tuple[float, ...] = ()

    def score(self, outputs):
        value = super().score(outputs)
        self.seen = (*self.seen, value)
        return value - float(np.mean(self.seen))


class Noisy(Mean):
    def __init__(self, shadows_0, shadows_1):
        super().__init__(shadows_0, shadows_1)
        self.noise = float(np.random.normal())  # noqa: NPY002

    def score(self, outputs):
        return super().score(outputs) + self.noise


class FirstShadow(Mean):
    def __init__(self, shadows_0, shadows_1):
        super().__init__(shadows_0[:1], shadows_1[:1])


class ByLastBits(Mean):
    """Leaves out the shadow that sorts first by its bytes, whose lowest bits come first."""

    def __init__(self, shadows_0, shadows_1):
        super().__init__(*(np.array(sorted(one, key=lambda row: row.tobytes()))[1:] for one in (shadows_0, shadows_1)))


class Upside(Mean):
    def score(self, outputs):
        return -super().score(outputs)


class Entropy(Mean):
    def score(self, outputs):
        return super().score(outputs) + float(np.mean(outputs * np.log(outputs))) * 1e-9


class Writes(Mean):
    def score(self, outputs):
        outputs -= outputs.mean()
        return super().score(outputs)


class Numpy(Mean):
    def score(self, outputs):
        return np.float32(super().score(outputs))


class Shared(Mean):
    """Peeks: the victims of a fixed seed come in a known order, world 0 first."""

    count = 0

    def score(self, outputs):
        type(self).count += 1
        return float((type(self).count - 1) // contracts.VICTIMS % 2) - 0.5


@pytest.mark.parametrize(
    ("judge", "check", "message"),
    [
        (Ranks, contracts.check_alone, "depends on what was scored before"),
        (Noisy, contracts.check_deterministic, "different scores"),
        (FirstShadow, contracts.check_order, "order of the shadows"),
        (ByLastBits, contracts.check_rounding, "last bits"),
        (Upside, contracts.check_easy, "accuracy 0.000"),
        (Numpy, contracts.check_easy, "finite float"),
        (Shared, contracts.check_null, "two equal worlds"),
        (Entropy, contracts.check_extremes, "finite float"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_suite_catches(judge, check, message):
    broken = type("Broken", (Honest,), {"judge": judge})()
    check(Honest(), contracts.beta_scores, Honest.Settings())
    with pytest.raises(AssertionError, match=message):
        check(broken, contracts.beta_scores, broken.Settings())


class Blurred(Mean):
    """Looks at one point only: better than chance, and weak."""

    def score(self, outputs):
        d = [float(np.sum((outputs - mean)[:1] ** 2)) for mean in self.means]
        return d[0] - d[1]


def test_power_is_a_promise_and_no_contract():
    weak = type("Weak", (Honest,), {"judge": Blurred})()
    contracts.check_attack(weak)
    promises = type("Promises", (Honest,), {"judge": Blurred, "reaches": 0.98})()
    with pytest.raises(AssertionError, match="as `reaches` says"):
        contracts.check_easy(promises, contracts.beta_scores, promises.Settings())
    with pytest.raises(AssertionError, match=r"reaches must be None or from 0.5 to 1"):
        contracts.check_attack_class(
            type("Broken", (Honest,), {"reaches": 98})(), contracts.beta_scores, Honest.Settings()
        )


# Those on rows and on samples of a generator name no world of a pair.
ON_WORLDS = [one for one in GENERIC if plugins.load("attacks", one).access not in contracts.SAMPLES]


@pytest.mark.parametrize("name", [*ON_WORLDS, "ceiling", "calibration"])
def test_our_own_attacks_say_what_they_reach(name):
    attack = plugins.load("attacks", name)
    assert attack.reaches >= 0.98
    assert not attack.many or (attack.reaches_many >= 0.75 and attack.estimates_within <= 0.1)


class Constant(Judge):
    def __init__(self, value):
        self.value = value

    def score(self, outputs):
        return self.value


def test_suite_catches_a_field_of_the_query_set_that_reads_does_not_name():
    class Labels(Honest):
        reads = ("origin",)

        def calibrate(self, *, shadows_0, shadows_1, query, game, settings):
            return Constant(float(np.mean(shadows_1[:, query.y == 1])))

    with pytest.raises(AssertionError, match="depend on y, a of the query set: name them in reads"):
        contracts.check_reads(Labels(), contracts.beta_scores, Labels.Settings())
    contracts.check_reads(Honest(), contracts.beta_scores, Honest.Settings())


def test_suite_catches_a_use_of_shadows_that_is_denied():
    class Secret(Honest):
        shadows = False

        def calibrate(self, *, shadows_0, shadows_1, query, game, settings):
            return Constant(float(len(shadows_0)))

    with pytest.raises(AssertionError, match="depend on the shadows"):
        contracts.check_without_shadows(Secret(), contracts.beta_scores, Secret.Settings())
    contracts.check_without_shadows(Honest(), contracts.beta_scores, Honest.Settings())


class Company(TransductiveJudge):
    """A threshold midway between the victims of the call."""

    def __init__(self, shadows_0, shadows_1):
        self.mean = Mean(shadows_0, shadows_1)

    def score(self, outputs):
        return float(self.score_all(outputs[None])[0])

    def score_all(self, outputs):
        values = np.array([self.mean.score(victim) for victim in outputs])
        return values - (values.max() + values.min()) / 2


class Aloof(Company):
    """Judges all at once, each by itself."""

    def score_all(self, outputs):
        return np.array([self.mean.score(victim) for victim in outputs])


class Together(Honest):
    judge = Company
    transductive = True
    reference = True


def test_transductive_passes():
    contracts.check_attack(Together())


def test_suite_catches_company_that_is_not_marked():
    broken = type("Broken", (Honest,), {"judge": Company})()
    with pytest.raises(AssertionError, match="what attacks marked transductive return"):
        contracts.check_alone(broken, contracts.beta_scores, broken.Settings())


def test_suite_catches_a_mark_without_company():
    broken = type("Broken", (Together,), {"judge": Aloof})()
    contracts.check_company(Together(), contracts.beta_scores, Together.Settings())
    with pytest.raises(AssertionError, match="no verdict changes with the company"):
        contracts.check_company(broken, contracts.beta_scores, broken.Settings())


def test_suite_catches_a_mark_without_order():
    broken = type("Broken", (Together,), {"ignores_shadow_order": False})()
    with pytest.raises(AssertionError, match="no score changes with the order"):
        contracts.check_order(broken, contracts.beta_scores, broken.Settings())


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"access": "gradients"}, "access must be one of labels, pair"),
        ({"shadow_access": "gradients"}, "shadow_access must be None"),
        ({"shadow_access": "scores"}, "shadow_access must be None"),
        ({"reads": ("y", "cell")}, "reads must name some of y, a, origin"),
        ({"many": 1}, "many must be True or False"),
        ({"many": True}, "calibrate_many is missing"),
        ({"transductive": True}, "set reference"),
        ({"ignores_shadow_order": False}, "gains nothing by a list's order: set reference"),
        ({"refuses": lambda self, game: "no"}, "refuses must return None"),
    ],
)
def test_suite_catches_marks(marks, message):
    broken = type("Broken", (Honest,), marks)()
    contracts.check_attack_class(Honest(), contracts.beta_scores, Honest.Settings())
    with pytest.raises(AssertionError, match=message):
        contracts.check_attack_class(broken, contracts.beta_scores, broken.Settings())


def test_suite_catches_writes():
    broken = type("Broken", (Honest,), {"judge": Writes})()
    with pytest.raises(ValueError, match="read-only"):
        contracts.check_easy(broken, contracts.beta_scores, broken.Settings())


def test_honest_passes():
    contracts.check_attack(Honest())


@pytest.mark.parametrize("name", ["loss", "kl-label", "pair"])
def test_made_up_games_show_what_the_access_says(name):
    attack = plugins.load("attacks", name)
    example = contracts.made_up(attack, kind="easy")
    points = len(example.query.y)
    for outputs, access in zip(example[:4], [attack.shadow_access or attack.access] * 2 + [attack.access] * 2):
        assert (set(np.unique(outputs)) == {0.0, 1.0}) == (access == "labels")
        assert outputs.shape[1] == (2 * points if access == "pair" else points)


def test_suite_catches_heavy_imports(tmp_path, monkeypatch):
    (tmp_path / "heavy_plugin.py").write_text("import numba, pandas\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = type("Heavy", (Honest,), {"__module__": "heavy_plugin"})()
    with pytest.raises(AssertionError, match=r"imports pandas, .*numba"):
        contracts.check_imports(plugin)


def test_suite_takes_a_plugin_from_a_script(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    contracts.check_imports(type("Scripted", (Honest,), {"__module__": "__main__"})())


class StackDependent(Prior):
    def fit(self, *, y, cell, rows, settings):
        return super().fit(y=y, cell=cell, rows=rows, settings=settings) / np.float32(len(rows))


class Doubles(Prior):
    def fit(self, *, y, cell, rows, settings):
        return super().fit(y=y, cell=cell, rows=rows, settings=settings).astype(np.float64)


@pytest.mark.parametrize(("model", "message"), [(StackDependent, "stack"), (Doubles, "float32")])
def test_suite_catches_models(model: type[Model], message):
    with pytest.raises(AssertionError, match=message):
        contracts.check_closed_form(model(), model.Settings())
