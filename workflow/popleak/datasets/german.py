"""German Credit (Statlog): is a customer a good credit risk? A southern German bank, 1973 to 1975."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from . import _codes, _tables
from .base import Attribute, Card, Dataset, Records, Source

FILE = "german.data"
SOURCE = Source(
    FILE,
    "https://archive.ics.uci.edu/static/public/144/statlog+german+credit+data.zip",
    "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
    FILE,
)
COLUMNS = (
    "checking", "duration", "history", "purpose", "amount", "savings", "employment", "installment-rate", "status-sex",
    "debtors", "residence", "property", "age", "other-plans", "housing", "credits", "job", "liable", "telephone",
    "foreign", "risk",
)  # fmt: skip
NUMERIC = ("duration", "amount", "installment-rate", "residence", "age", "credits", "liable")
CATEGORICAL = tuple(column for column in COLUMNS if column not in (*NUMERIC, "risk"))
FEMALE = ("A92", "A95")
# all values of the columns that are compared, so that no unknown one is taken for "the rest"
KNOWN = {"risk": (1, 2), "status-sex": ("A91", "A92", "A93", "A94", "A95")}
# sex is coded together with marital status, so the whole code is left out, or what stays would give sex away
CARRIER = {"sex": "status-sex", "age": "age"}


class German(Dataset):
    """1,000 customers, 20 attributes, nothing missing."""

    name = "german"
    summary = "German Credit (Statlog): good credit risk, 1,000 customers"
    labels = ("credit",)
    attributes = ("sex", "age")
    n_features = 55

    def sources(self, options: Settings) -> tuple[Source, ...]:
        return (SOURCE,)

    def card(self, options: Settings) -> Card:
        return Card(
            title="German Credit (Statlog)",
            source="https://archive.ics.uci.edu/dataset/144/statlog+german+credit+data",
            licence="CC BY 4.0",
            citation="Hofmann, H. (1994). Statlog (German Credit Data). UCI Machine Learning Repository. "
            "doi:10.24432/C5NC77",
            label="credit: good risk (1) against bad (0)",
            attributes={
                "sex": Attribute(
                    groups=("Male", "Female"),
                    recorded="by the bank, inside attribute 9 (A92 female; A91, A93, A94 male); the coding is doubtful",
                    rows=(690, 310),
                    rates=(0.7232, 0.6484),
                ),
                "age": Attribute(
                    groups=("over 25", "25 and under"),
                    recorded="by the bank, in years; cut at 25",
                    rows=(810, 190),
                    rates=(0.7284, 0.5789),
                ),
            },
            rows=1000,
            label_rate=0.7,
            notes=(
                "UCI's code table is partly wrong (Groemping 2019, South German Credit)",
                "A92 may mix women and single men, so results on sex serve comparison with earlier work only",
                "good risks were sampled more often than they occur; rates are not the bank's",
                "1,000 rows are few: intervals are wide",
            ),
        )

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        frame = _tables.read_csv(
            path=_tables.given(files=files, file=FILE),
            sep=r"\s+",
            header=None,
            names=list(COLUMNS),
            keep_default_na=False,
            dtype=str,
        )
        _tables.numbers(frame=frame, columns=(*NUMERIC, "risk"), file=FILE)
        _codes.known(frame=frame, allowed=KNOWN, file=FILE)
        y = (frame["risk"] == 1).to_numpy(dtype=np.int8)
        second = frame["status-sex"].isin(FEMALE) if attribute == "sex" else frame["age"] <= 25
        group = second.to_numpy(dtype=np.int8)
        card = self.card(options)
        _tables.check(card=card, attribute=attribute, file=FILE, y=y, group=group)
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=card.attributes[attribute].groups,
            numeric=[column for column in NUMERIC if column != CARRIER[attribute]],
            categorical=[column for column in CATEGORICAL if column != CARRIER[attribute]],
        )


PLUGIN = German()
