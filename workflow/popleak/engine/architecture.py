"""A model as the engine sees it: how an untrained module is built, and the shapes of its input and output."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from ..core.errors import PopleakError

if TYPE_CHECKING:
    import torch
    from torch import nn

Build = Callable[[], "nn.Module"]
Activation = Literal["relu", "gelu", "tanh", "tempered-sigmoid"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

PATCH = 3
"""Height and width of what a convolution sees."""
POOL = 2
"""Each block of a `ConvNet` halves height and width."""


@dataclass(frozen=True)
class Form:
    """shape: of one input, None for a row of features; classes: two classes have one logit, C > 2 classes have C."""

    shape: tuple[int, ...] | None = None
    classes: int = 2

    @property
    def outputs(self) -> int:
        """Logits of one row."""
        return 1 if self.classes == 2 else self.classes

    def check(self, features: int) -> None:
        """Raise PopleakError if records with this many features cannot have this shape."""
        if self.shape is not None and math.prod(self.shape) != features:
            raise PopleakError(
                f"model: its input is {self.told(features)}, {math.prod(self.shape)} numbers, and a record has {features}: "
                "choose another model or dataset"
            )

    def shaped(self, x: torch.Tensor) -> torch.Tensor:
        """Return rows x (B, d) in the form that the module takes, (B, *shape)."""
        return x if self.shape is None else x.view(len(x), *self.shape)

    def told(self, features: int) -> str:
        """Return one input's shape in words."""
        return f"{features} features" if self.shape is None else " x ".join(map(str, self.shape))


BINARY = Form()
"""From a row of features to one logit."""


@dataclass(frozen=True)
class Chain:
    """A plain MLP: Linear layers with ReLU between them. sides: layer sizes (features, units of each hidden layer,
    logits: 1, or C > 2)."""

    sides: tuple[int, ...]

    def __call__(self) -> nn.Module:
        """Return the chain as a torch module."""
        from torch import nn

        layers: list[nn.Module] = []
        for into, out in zip(self.sides, self.sides[1:], strict=False):
            layers += [nn.Linear(into, out), nn.ReLU()]
        return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class Units:
    """What the units of a hidden layer do with the numbers z (width,) that its linear map gives for a row, in this order: layer norm if there
    is one, the activation, dropout if there is any.

    activation: `relu`; `gelu`, z Phi(z) with the normal distribution function, not its tanh approximation; `tanh`; or `tempered-sigmoid`,
    scale / (1 + exp(-inverse_temperature z)) - offset (Papernot et al. 2021, arXiv:2007.14191), which is tanh at its defaults. layer_norm: mean 0
    and variance 1 over the units of a row, then a gain and a shift for each unit that are learnt (Ba et al. 2016, arXiv:1607.06450). dropout:
    probability at which training sets a unit to 0; the others are divided by 1 - dropout, and scoring leaves all as they are.
    """

    activation: Activation = "relu"
    scale: float = 2.0
    inverse_temperature: float = 2.0
    offset: float = 1.0
    layer_norm: bool = False
    dropout: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether this is ReLU and nothing else."""
        return self.activation == "relu" and not self.layer_norm and not self.dropout

    @property
    def told(self) -> str:
        """In a few words."""
        more = [word for word, so in (("layer norm", self.layer_norm), ("dropout", self.dropout > 0)) if so]
        return " with ".join(one for one in (self.activation, " and ".join(more)) if one)


@dataclass(frozen=True)
class Dense:
    """An MLP whose hidden units do more than ReLU, or something else: sides as of a `Chain`, and what its units do.

    Of each layer, weight, bias and, if it has layer norm, gain and shift are stored in this order.
    """

    sides: tuple[int, ...]
    units: Units

    @property
    def form(self) -> Form:
        """What goes in and comes out."""
        return Form(classes=max(self.sides[-1], 2))

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Of each layer the numbers that one of its units is given, without the bias, and its units."""
        return list(itertools.pairwise(self.sides))

    @property
    def gains(self) -> list[int]:
        """Of each layer how many numbers layer norm adds to it."""
        hidden = len(self.sides) - 2
        return [2 * out * self.units.layer_norm * (i < hidden) for i, (_, out) in enumerate(self.layers)]

    def __call__(self) -> nn.Module:
        """Return the net as a torch module."""
        from .units import dressed

        return dressed(self)


@dataclass(frozen=True)
class ConvNet:
    """Blocks of a 3 x 3 convolution with padding 1, ReLU and 2 x 2 max pooling, then one linear layer.

    shape: of an image, (channels, height, width); channels: of each block; classes: two have one logit, C > 2 have C.
    Raises PopleakError in one line for images of which pooling leaves nothing.
    """

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    classes: int = 2

    def __post_init__(self) -> None:
        least = POOL ** len(self.channels)
        if min(self.shape[1:]) < least:
            raise PopleakError(
                f"model: {len(self.channels)} blocks need images of {least} x {least} or more: give fewer `channels`"
            )

    @property
    def form(self) -> Form:
        """What goes in and comes out."""
        return Form(self.shape, self.classes)

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        """Channels, height and width of what goes into each block, and of what comes out of the last one."""
        found, (_, height, width) = [self.shape], self.shape
        for out in self.channels:
            height, width = height // POOL, width // POOL
            found.append((out, height, width))
        return found

    @property
    def sides(self) -> tuple[int, int]:
        """Numbers that the linear layer is given, and logits."""
        return math.prod(self.sizes[-1]), self.form.outputs

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Of each layer the numbers that one of its units is given, without the bias, and its units: channels of a convolution."""
        given = (self.shape[0], *self.channels)
        return [*((PATCH**2 * into, out) for into, out in itertools.pairwise(given)), self.sides]

    def __call__(self) -> nn.Module:
        """Return the net as a torch module."""
        from torch import nn

        layers: list[nn.Module] = []
        for into, out in itertools.pairwise((self.shape[0], *self.channels)):
            layers += [nn.Conv2d(into, out, PATCH, padding=PATCH // 2), nn.ReLU(), nn.MaxPool2d(POOL)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(*self.sides))


@dataclass(frozen=True)
class Module:
    """Any module. make: builds it untrained, without arguments; form: shapes of its input and output."""

    make: Build
    form: Form = BINARY

    def __call__(self) -> nn.Module:
        """Return the module."""
        return self.make()


def form_of(build: Build) -> Form:
    """Return the input and output shapes of the module that `build` makes. For a plain function these are rows of
    features and one logit."""
    if isinstance(build, Chain):
        return Form(classes=max(build.sides[-1], 2))
    return build.form if isinstance(build, (Dense, ConvNet, Module)) else BINARY


def numbers_of(build: Chain | Dense | ConvNet) -> list[int]:
    """Return of each layer how many numbers of a model are its own, in the order in which they are stored."""
    if isinstance(build, Chain):
        return [out * (into + 1) for into, out in itertools.pairwise(build.sides)]
    linear = [out * (into + 1) for into, out in build.layers]
    return [a + b for a, b in zip(linear, build.gains, strict=True)] if isinstance(build, Dense) else linear
