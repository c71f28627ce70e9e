"""UTKFace: small grey pictures of faces. Is the person a woman, or older than 30?

Age, gender and race are in the names of the published files. They were guessed by a model and checked by strangers; nobody asked
the people. See `docs/images.md` for how to get the files, and for what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from ..core import settings
from ..core.errors import PopleakError
from . import _cards, _faces, _tables
from .base import Card, Cells, Dataset, Records, Source

PREPARED = Source("utkface_grey48.parquet")
PARTS = ("utkface_grey48_part1of2.parquet", "utkface_grey48_part2of2.parquet")
GENDER, OLDER = "gender", "age-over-30"
GROUPS = {
    "race": ("White", "Non-White"),
    "white-black": ("White", "Black"),
    GENDER: ("Male", "Female"),
}


class Options(settings.Settings):
    """Which pictures, and as what."""

    side: Literal[24, 48] = 24
    """Height and width of a picture, in pixels; those of 24 are means of four pixels of those of 48."""
    features: Literal["pixels", "pca", "hog"] = "pixels"
    """`pixels`: pictures, for the model cnn; `pca`: their principal components; `hog`: histograms of oriented gradients, which need
    scikit-image. The last two are rows of features for any model, and cheaper to train on."""
    components: int = Field(default=64, ge=2, le=576)
    """Principal components, for `pca`."""
    source: Literal["auto", "prepared", "parts"] = "auto"
    """`prepared`: the table that `popleak prepare utkface FOLDER_OR_ARCHIVE` makes of the publisher's files; `parts`: the same as two files whose
    content is checked. `auto`: what is in the data folder, the prepared table first."""
    complete: bool = True
    """Whether the pictures must be the whole published set. If not, rows and rates are whatever the table holds."""

    def unused(self) -> set[str]:
        return set() if self.features == "pca" else {"components"}


class UTKFace(Dataset):
    """Adults among the aligned and cropped faces, without the pictures whose copies contradict them."""

    name = "utkface"
    summary = "UTKFace: gender or age above 30 from small grey pictures of faces, adults only"
    labels = (GENDER, OLDER)
    attributes = ("race", "white-black", GENDER)
    n_features = 576
    Settings = Options

    def sources(self, options: Options) -> tuple[Source, ...]:
        """Return the files. `auto` that is not settled stands for the prepared table."""
        if options.source != "parts":
            return (PREPARED,)
        known = _cards.packaged(self.name).sources()
        return tuple(known[file] for file in PARTS)

    def settle(self, options: Options, here: Callable[[Source], bool]) -> tuple[Options, str]:
        if options.source != "auto":
            return options, ""
        parts = not here(PREPARED) and all(map(here, self.sources(options.model_copy(update={"source": "parts"}))))
        chosen = options.model_copy(update={"source": "parts" if parts else "prepared"})
        return chosen, f"UTKFace from {' and '.join(source.file for source in self.sources(chosen))}"

    def remedy(self, source: Source) -> str:
        if source.file in PARTS:
            return super().remedy(source)
        return (
            f"get the aligned and cropped faces from {_cards.packaged(self.name)['url']} (non-commercial research only), and run "
            "`popleak prepare utkface FOLDER_OR_ARCHIVE`"
        )

    def prepare(self, origin: Path, folder: Path) -> list[str]:
        from . import _face_files

        return _face_files.convert(origin, folder / PREPARED.file)

    def card(self, options: Options) -> Card:
        return self.card_of(self.labels[0], options)

    def card_of(self, label: str, options: Options) -> Card:
        about = _cards.packaged(self.name)
        known = about.expected("complete", label) if options.complete else {}
        title = (
            f"UTKFace, adults, {options.side} x {options.side} grey"
            + ("" if options.features == "pixels" else f", as features ({options.features})")
            + ("" if options.complete else ", a part of the published set")
        )
        return about.card(known, label=label, title=title)

    def reads(self, *, files: Mapping[str, Path], options: Options) -> tuple[str, ...]:
        return (*_faces.COLUMNS, "pixels")

    def shape(self, options: Options) -> tuple[int, ...] | None:
        return (1, options.side, options.side) if options.features == "pixels" else None

    def width(self, options: Options) -> int:
        if options.features == "pca":
            return options.components
        return _faces.N_GRADIENTS if options.features == "hog" else options.side**2

    def cells(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options) -> Cells | None:
        """Return the counts: the card's of the whole set, those of the prepared table of a part. Pixels are not read. Raises
        PopleakError, so that the plan does, for what `load` would refuse: an attribute that is the label, features that need what is
        not installed, a prepared table that is not what it should be."""
        _chosen(label, attribute)
        if options.features == "hog" and (said := _faces.no_gradients()):
            raise PopleakError(f"utkface: {said}")
        known = super().cells(files=files, label=label, attribute=attribute, options=options)
        if PREPARED.file not in files:
            return known
        _, _, y, group = self._rows(files, label, attribute, options, pixels=False)
        return known or Cells.of(y[group >= 0], group[group >= 0], exact=False)

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        _chosen(label, attribute)
        faces, contradicted, y, group = self._rows(files, label, attribute, options)
        unit = _faces.pictures(faces)
        keep = group >= 0
        kept, y, a, unit = faces.at(keep), y[keep], group[keep].astype(np.int8), unit[keep]
        x, names = _faces.features(_faces.shrunk(kept.pixels, options.side), options.features, options.components)
        second, values = _second(kept, label, attribute)
        sizes = np.bincount(unit)
        facts = {
            "rows_in_neither_group": int((~keep).sum()),
            "rows_with_contradictory_copies": contradicted,
            "groups_of_near_copies": int((sizes > 1).sum()),
            "rows_in_groups_of_near_copies": int(sizes[sizes > 1].sum()),
            "largest_group_of_near_copies": int(sizes.max()),
            "second_attribute": second,
            "subgroups": np.unique(values).tolist(),
        }
        return Records(
            x=x,
            y=y,
            a=a,
            features=names,
            groups=GROUPS[attribute],
            unit=unit,
            facts={**_tables.measured(y=y, a=a), **facts},
            subgroup=np.unique(values, return_inverse=True)[1].astype(np.int8),
        )

    def _rows(
        self, files: Mapping[str, Path], label: str, attribute: str, options: Options, *, pixels: bool = True
    ) -> tuple[_faces.Faces, int, np.ndarray, np.ndarray]:
        """Return the pictures without contradictory copies, how many these were, and label and group (n,), -1 for neither group.

        Raises PopleakError if they are not those that the card states, and if there is none, none of a group, or one label alone.
        """
        sources = self.sources(options)
        paths = [_tables.given(files=files, file=source.file) for source in sources]
        file, remedy = " + ".join(map(str, paths)), f"delete it, and {self.remedy(sources[0])}"
        everyone = _faces.read(paths, remedy, pixels=pixels)
        faces = everyone.at(~_faces.contradictory(everyone))
        if not len(faces.age):
            raise PopleakError(f"{file}: every picture has a copy with other labels, so none is left: {remedy}")
        y = (faces.gender == 1 if label == GENDER else faces.age > _faces.OLDER).astype(np.int8)
        group = _group(faces, attribute)
        try:
            _tables.check(card=self.card_of(label, options), attribute=attribute, file=file, y=y, group=group)
        except PopleakError as error:
            raise PopleakError(f"{error}, or give the option complete: false for a part of the set") from error
        for number, name in enumerate(GROUPS[attribute]):
            if not (group == number).any():
                raise PopleakError(
                    f"{file}: no picture is of the group {name}: choose another attribute, or prepare more"
                )
        if (y[group >= 0] == y[group >= 0][0]).all():
            raise PopleakError(f"{file}: all pictures have the same {label}: choose another label, or prepare more")
        return faces, len(everyone.age) - len(faces.age), y, group


def _chosen(label: str, attribute: str) -> None:
    if label == attribute:
        raise PopleakError(f"utkface: attribute {attribute!r} is the label: choose another, or label: {OLDER}")


def _group(faces: _faces.Faces, attribute: str) -> np.ndarray:
    """Return 0, 1, or -1 for neither group (N,)."""
    if attribute == GENDER:
        return faces.gender
    if attribute == "race":
        return (faces.race > 0).astype(np.int64)
    return np.where(faces.race < 2, faces.race, -1)


def _second(faces: _faces.Faces, label: str, attribute: str) -> tuple[str, np.ndarray]:
    """Return a second attribute, which is neither label nor attribute, and its value for each row (N,)."""
    if label == GENDER:
        return OLDER, np.where(faces.age > _faces.OLDER, f"above {_faces.OLDER}", f"up to {_faces.OLDER}")
    if attribute == GENDER:
        return "race", np.where(faces.race == 0, *GROUPS["race"])
    return GENDER, np.where(faces.gender == 0, *GROUPS[GENDER])


PLUGIN = UTKFace()
