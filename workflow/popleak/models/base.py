"""The model contract. A model's file must not import torch at its top: import it inside `build`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..core.errors import PopleakError
from ..core.settings import NoSettings
from ..core.settings import Settings as AnySettings

if TYPE_CHECKING:
    import torch

    from ..engine.architecture import Chain, ConvNet, Dense, Module


class Model:
    """Base of models that return P(y = 1 | x), or for C > 2 classes P(y | x).

    A gradient model implements `sides` (a chain of Linear and ReLU, which the engine trains fastest), `dense` (such a chain with other hidden
    units), `channels` (a convolution net) or `build` (any module; it is trained alone and scores in eval mode, see `engine.single`). What it takes is a row of features, unless `shape` says
    otherwise. A closed-form model (`gradient = False`) implements `fit` and `predict` on arrays, and only defences with `closed_form`
    apply to it; so it is with a model whose answers are kept (`models._tabled.Tabled`).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    gradient: ClassVar[bool] = True
    generates: ClassVar[bool] = False
    """True: what is released are rows drawn from it (`models._generator.Generator`), and it answers no query."""
    tabled: ClassVar[bool] = False
    """True: what is kept of it is its table of answers on all records (`models._tabled.Tabled`)."""
    classes: ClassVar[int | None] = 2
    """How many classes it tells apart. None: as many as the label has; `sides` or `build` then take the keyword `classes` where they are
    more than two."""
    Settings: ClassVar[type[AnySettings]] = NoSettings
    """The plugin's own settings. The methods are given what was read into them, so each names its own class."""

    def shape(self, n_features: int, settings: Any) -> tuple[int, ...] | None:
        """Return the shape of one input, (channels, height, width) of an image say; None for a row of features. Records are kept as rows
        of n_features numbers, and `build`'s module gets them as (batch, *shape)."""
        return None

    def sides(self, n_features: int, settings: Any, classes: int = 2) -> tuple[int, ...] | None:
        """Return (n_features, units of each hidden layer, 1) of a chain of Linear and ReLU; None for another module.

        With `classes` = None the method takes the keyword `classes`, and the last number is C where C > 2.
        """
        return None

    def dense(self, n_features: int, settings: Any, classes: int = 2) -> Dense | None:
        """Return the linear layers, as `sides`, and what the hidden units do where that is not ReLU alone; None for another module."""
        return None

    def channels(self, n_features: int, settings: Any) -> tuple[int, ...] | None:
        """Return the channels of each block of a convolution net as `engine.architecture.ConvNet` describes it, on images of `shape`; None for
        another module."""
        return None

    def build(self, n_features: int, settings: Any, classes: int = 2) -> torch.nn.Module:
        """Return a module from (batch, n_features), or (batch, *shape), to (batch, 1) logits; (batch, C) for C > 2 classes."""
        sides = self.sides(n_features, settings, **({} if classes == 2 else {"classes": classes}))
        if sides is None and (net := self.net(n_features, settings, classes)) is not None:
            return net()
        if sides is None:
            raise NotImplementedError("a gradient model implements `sides`, `dense`, `channels` or `build`")
        from ..engine.architecture import Chain

        return Chain(sides)()

    def check(self, n_features: int, settings: Any, classes: int = 2, given: tuple[int, ...] | None = None) -> None:
        """Raise PopleakError in one line where the model does not fit records of so many features, or a label of so many classes.

        given: the shape of a record as its dataset declares it, (n_features,) for a row of features; None: nobody says.
        """
        from ..engine.architecture import Form

        if self.classes is not None and self.classes != classes:
            raise PopleakError(
                f"model {self.name}: it tells {self.classes} classes apart, and the label has {classes}: choose another model or label"
            )
        shape = self.shape(n_features, settings) if self.gradient else None
        if shape is not None and given is not None and shape != given:
            told = [
                " x ".join(map(str, one)) if len(one) > 1 else f"a row of {one[0]} features" for one in (shape, given)
            ]
            raise PopleakError(
                f"model {self.name}: its input is {told[0]}, and a record is {told[1]}: choose another model or dataset"
            )
        Form(shape, classes).check(n_features)

    def architecture(self, n_features: int, settings: Any, classes: int = 2) -> Chain | Dense | ConvNet | Module:
        """Return what the engine needs: what builds an untrained module, and for a chain tells its sides, with other units than ReLU these too,
        for a convolution net its channels, for any other module its form.

        Raises PopleakError as `check`.
        """
        from ..engine.architecture import Chain, Form, Module

        self.check(n_features, settings, classes)
        more = {} if classes == 2 or self.classes is not None else {"classes": classes}
        # a subclass that builds a module of its own does not mean the sides that it inherits
        sides = self.sides(n_features, settings, **more) if self._defined("sides") <= self._defined("build") else None
        if sides is not None:
            return Chain(sides)
        if (net := self.net(n_features, settings, classes)) is not None:
            return net
        form = Form(self.shape(n_features, settings), classes)
        return Module(functools.partial(self.build, n_features, settings, **more), form)

    def net(self, n_features: int, settings: Any, classes: int = 2) -> Dense | ConvNet | None:
        """Return the net that `dense` tells of, or the convolution net that `channels` and `shape` do; None for another module."""
        from ..engine.architecture import ConvNet

        if self._defined("dense") <= self._defined("build"):
            more = {} if classes == 2 else {"classes": classes}
            if (dense := self.dense(n_features, settings, **more)) is not None:
                return dense
        channels, shape = self.channels(n_features, settings), self.shape(n_features, settings)
        if channels is None or self._defined("channels") > self._defined("build"):
            return None
        if shape is None or len(shape) != 3:
            raise PopleakError(
                f"model {self.name}: `channels` are of images: let `shape` return (channels, height, width)"
            )
        return ConvNet((shape[0], shape[1], shape[2]), tuple(channels), classes)

    def _defined(self, method: str) -> int:
        """Return how many classes up the method is defined."""
        return next(i for i, one in enumerate(type(self).__mro__) if method in vars(one))

    def fit(self, *, y: np.ndarray, cell: np.ndarray | None, rows: np.ndarray, settings: Any) -> np.ndarray:
        """Return the weights (K, P) float32 of K models fitted to `rows` (K, n) of labels `y` (N,) and cells (N,)."""
        raise NotImplementedError

    def predict(self, weights: np.ndarray, *, cell: np.ndarray | None, rows: np.ndarray, settings: Any) -> np.ndarray:
        """Return scores (K, m) in [0, 1] of models `weights` (K, P) on the m `rows`."""
        raise NotImplementedError
