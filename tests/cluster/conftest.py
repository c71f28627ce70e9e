"""What a run on a cluster is compared with."""

from __future__ import annotations

import pytest

from runs import copy, results, snakemake


@pytest.fixture(scope="module")
def locally(tmp_path_factory):
    """The digests of what the smoke experiment publishes, run without a cluster."""
    folder = copy(tmp_path_factory.mktemp("locally"))
    snakemake(folder, "--cores", "1", "--configfile", "workflow/experiments/smoke.yaml")
    found = results(folder)
    assert {"tables/models.parquet", "tables/leakage.parquet", "figures/gap.pdf", "report.html"} <= found.keys()
    return found
