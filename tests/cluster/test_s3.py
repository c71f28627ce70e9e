"""The store in object storage: the same bytes as locally, nothing made twice, no copy that is of another config; and Kubernetes on top."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import bucket
import pods
import tiny
from popleak.cli import stages
from runs import copy, results, snakemake

ABSENT = bucket.absent()
pytestmark = [
    pytest.mark.dag,
    pytest.mark.slow,
    pytest.mark.skipif(ABSENT is not None, reason=f"no object storage can be brought up here: {ABSENT}"),
]
SMOKE = ("--configfile", "workflow/experiments/smoke.yaml")


@pytest.fixture(scope="module")
def address():
    with bucket.served() as found:
        yield found


@pytest.fixture
def remotely(address, monkeypatch):
    """Run Snakemake with the store in a bucket."""
    for name, value in bucket.KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", address)

    def run(folder: Path, name: str, *words: str, **how) -> str:
        storage = ("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{name}/popleak")
        return snakemake(folder, *storage, *words, **how)

    return run


def published(folder: Path) -> dict[str, str]:
    """Return the digests of what people open."""
    return {path: digest for path, digest in results(folder).items() if not path.startswith(".stamps/")}


def test_a_bucket_without_credentials_stops_the_run_in_one_line(remotely, tmp_path, monkeypatch):
    for name in (*bucket.KEYS, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    said = remotely(copy(tmp_path / "run"), "lab", "--cores", "1", *SMOKE, status=1)
    assert "no credentials for the bucket: set SNAKEMAKE_STORAGE_S3_ACCESS_KEY" in said
    assert "Traceback" not in said and "Building DAG" not in said


def test_a_store_in_a_bucket(locally, remotely, address, tmp_path, monkeypatch, capsys):
    wanted = {path: digest for path, digest in locally.items() if not path.startswith(".stamps/")}
    folder = copy(tmp_path / "run")
    remotely(folder, "lab", "--cores", "1", *SMOKE)
    assert published(folder) == wanted
    assert {path.name for path in (folder / "results").iterdir()} == {"smoke", ".runs"}, "all else is in the bucket"
    assert "Nothing to be done" in remotely(folder, "lab", "--cores", "1", *SMOKE)

    # a published file that is gone, and one that somebody has written over
    (folder / "results/smoke/report.html").unlink()
    (folder / "results/smoke/tables/models.parquet").write_bytes(b"another")
    said = remotely(folder, "lab", "--cores", "1", *SMOKE)
    assert published(folder) == wanted
    assert "popleak train" not in said and "popleak tables" not in said

    # another config of that name, and back: no date tells that its tables are not the first one's
    (folder / "other.yaml").write_text("tau: 0.2\n", encoding="utf-8")
    said = remotely(folder, "lab", "--cores", "1", *SMOKE, "other.yaml")
    other = published(folder)
    assert "popleak train" not in said and "popleak: done" in said
    assert other["tables/claims.parquet"] != wanted["tables/claims.parquet"]
    said = remotely(folder, "lab", "--cores", "1", *SMOKE)
    assert published(folder) == wanted
    assert "of another config or of earlier code, which this run replaces" in said and "popleak claims" not in said

    # another folder and the same bucket: nothing is made but the copies
    second = copy(tmp_path / "second")
    said = remotely(second, "lab", "--cores", "1", *SMOKE)
    assert published(second) == wanted
    assert not re.search(r"popleak: (dataset|train|attack|tables|figures|report) \S+ took", said)

    # what is in the bucket is a store like any other
    third = copy(tmp_path / "third")
    assert "store/train" in " ".join(bucket.fetch(address, "lab", "popleak/results", third / "results"))
    assert "Finished jobid" not in snakemake(third, "--cores", "1", *SMOKE, "--until", "tables")
    snakemake(third, "--cores", "1", *SMOKE)
    assert published(third) == wanted
    monkeypatch.chdir(third)
    assert stages.main(["verify", *SMOKE]) == 0
    assert "0 are not made yet" in capsys.readouterr().out


def test_a_users_table_is_read_where_it_lies(remotely, address, tmp_path):
    folder = copy(tmp_path / "run")
    lines = ["age,sex,repaid", *(f"{20 + i % 50},{('m', 'f')[i % 2]},{('yes', 'no')[i // 2 % 2]}" for i in range(8000))]
    (folder / "loans.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    smoke = yaml.safe_load((tiny.ROOT / "workflow/experiments/smoke.yaml").read_text(encoding="utf-8"))
    options = {"path": "loans.csv", "label": "repaid", "positive": "yes", "attribute": "sex", "groups": ["m", "f"]}
    task = {"dataset": "table", "attribute": "sex", "rows": 200, "query_rows": 100, "options": options}
    (folder / "own.yaml").write_text(yaml.safe_dump({**smoke, "tasks": [task]}), encoding="utf-8")
    remotely(folder, "own", "--cores", "1", "--configfile", "own.yaml", "--until", "dataset")
    made = bucket.fetch(address, "own", "popleak/results/store/dataset", tmp_path / "made")
    assert len(made) == 4, "the table and its three placebos"


@pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_kubernetes") is None, reason="no snakemake-executor-plugin-kubernetes"
)
def test_pods_share_nothing_but_the_bucket(locally, remotely, tmp_path, monkeypatch):
    """The first jobs as pods, by the profile that users are given; the others here, on what those left in the bucket."""
    folder = copy(tmp_path / "run")
    image = copy(tmp_path / "image") / "workflow"
    with pods.cluster(tmp_path / "pods", image) as (cluster, config):
        monkeypatch.setenv("KUBECONFIG", str(config))
        said = remotely(
            folder, "cloud", "--workflow-profile", "profiles/kubernetes", "--container-image", "popleak",
            "--seconds-between-status-checks", "1", "--jobs", "2", *SMOKE, "--until", "train",
            cold=True,  # the plugin looks for its configuration when it is imported
        )  # fmt: skip
        assert len(cluster.pods) == 4, said + cluster.logs()
    asked = [pod["resources"]["requests"] for pod in cluster.pods.values()]
    assert {one.get("nvidia.com/gpu") for one in asked} == {None, "0"}, "a rule that could use a GPU asks for none"
    assert all(one["memory"].endswith("M") and one["cpu"] == "950m" for one in asked)
    assert all(pod["image"] == "popleak" for pod in cluster.pods.values())
    assert not (folder / "results" / "store").exists()
    said = remotely(folder, "cloud", "--cores", "1", *SMOKE)
    assert "popleak: train" not in said
    assert published(folder) == {path: one for path, one in locally.items() if not path.startswith(".stamps/")}
