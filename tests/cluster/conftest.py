"""What a run on a cluster is compared with."""

from __future__ import annotations

import pytest

from runs import results


@pytest.fixture(scope="module")
def locally(smoke):
    """The digests of what the smoke experiment publishes, run without a cluster."""
    found = results(smoke)
    assert {"tables/models.parquet", "tables/leakage.parquet", "figures/gap.pdf", "report.html"} <= found.keys()
    return found
