"""Options for the datasets that need some, for the tests that load them all."""

from __future__ import annotations

TABLE = {"path": "t.csv", "label": "y", "positive": 1, "negative": "rest", "attribute": "g", "groups": ["u", "v"]}
EXAMPLES = {"acs-income": {"format": "parquet"}, "bias-in-bios": {"tables": "extract"}, "table": TABLE}
REAL = ("acs-income", "adult", "compas", "german", "lsac")
