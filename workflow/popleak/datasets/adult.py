"""UCI Adult: does a person earn more than 50,000 dollars a year? US census survey of 1994."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from . import _cards, _codes, _tables
from .base import Card, Dataset, Records, Source

FILES = ("adult.data", "adult.test")
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship",
    "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip
# fnlwgt is a sampling weight, no trait of the person; education repeats education-num in words
UNUSED = ("fnlwgt", "education")
WANTED = tuple(column for column in COLUMNS if column not in UNUSED)
NUMERIC = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORICAL = ("workclass", "marital-status", "occupation", "relationship", "race", "sex", "native-country")
# all values of the columns that are compared, so that no unknown one is taken for "the rest"
KNOWN = {
    "income": ("<=50K", ">50K"),
    "sex": ("Male", "Female"),
    "race": ("White", "Black", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other"),
    "occupation": (
        "?", "Adm-clerical", "Armed-Forces", "Craft-repair", "Exec-managerial", "Farming-fishing", "Handlers-cleaners",
        "Machine-op-inspct", "Other-service", "Priv-house-serv", "Prof-specialty", "Protective-serv", "Sales",
        "Tech-support", "Transport-moving",
    ),
    "native-country": (
        "?", "Cambodia", "Canada", "China", "Columbia", "Cuba", "Dominican-Republic", "Ecuador", "El-Salvador",
        "England", "France", "Germany", "Greece", "Guatemala", "Haiti", "Holand-Netherlands", "Honduras", "Hong",
        "Hungary", "India", "Iran", "Ireland", "Italy", "Jamaica", "Japan", "Laos", "Mexico", "Nicaragua",
        "Outlying-US(Guam-USVI-etc)", "Peru", "Philippines", "Poland", "Portugal", "Puerto-Rico", "Scotland", "South",
        "Taiwan", "Thailand", "Trinadad&Tobago", "United-States", "Vietnam", "Yugoslavia",
    ),
}  # fmt: skip


class Adult(Dataset):
    """Both published files joined, 48,842 people; `?` is a category of its own."""

    name = "adult"
    summary = "UCI Adult: income above 50,000 dollars, 48,842 people, US 1994"
    labels = ("income",)
    attributes = ("sex", "race", "female-sales")
    n_features = 50

    def sources(self, options: Settings) -> tuple[Source, ...]:
        known = _cards.packaged(self.name).sources()
        return tuple(known[file] for file in FILES)

    def card(self, options: Settings) -> Card:
        about = _cards.packaged(self.name)
        return about.card(about.expected(), label=self.labels[0])

    def reads(self, *, files: Mapping[str, Path], options: Settings) -> tuple[str, ...]:
        return WANTED

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        import pandas as pd

        _tables.choose(dataset=self, label=label, attribute=attribute)
        frame = pd.concat(
            [
                _tables.read_csv(
                    path=_tables.given(files=files, file=file),
                    header=None,
                    names=list(COLUMNS),
                    usecols=list(WANTED),
                    skipinitialspace=True,
                    comment="|",  # the first line of adult.test
                    keep_default_na=False,
                    dtype=str,
                )
                for file in FILES
            ],
            ignore_index=True,
        )
        file = " + ".join(FILES)
        _tables.numbers(frame=frame, columns=NUMERIC, file=file)
        frame["income"] = frame["income"].str.removesuffix(".")  # adult.test writes `>50K.`
        _codes.known(frame=frame, allowed=KNOWN, file=file)
        country = frame["native-country"].to_numpy(dtype=str)
        frame["native-country"] = np.where(np.isin(country, ("United-States", "?")), country, "other")
        y = (frame["income"] == ">50K").to_numpy(dtype=np.int8)
        zero = {"sex": "Male", "race": "White"}
        if attribute == "female-sales":
            group = ((frame["sex"] == "Female") & (frame["occupation"] == "Sales")).to_numpy(dtype=np.int8)
        else:
            group = (frame[attribute] != zero[attribute]).to_numpy(dtype=np.int8)
        other = "sex" if attribute == "race" else "race"
        card = self.card(options)
        _tables.check(card=card, attribute=attribute, file=file, y=y, group=group)
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=card.attributes[attribute].groups,
            numeric=NUMERIC,
            categorical=[column for column in CATEGORICAL if column != attribute],
            second=(other, np.where(frame[other] == zero[other], zero[other], f"not {zero[other]}")),
        )


PLUGIN = Adult()
