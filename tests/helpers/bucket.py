"""Object storage on the loopback interface, for one test run: moto's server, which keeps its buckets in memory."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "anybody", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "anything"}
"""Credentials, as users give them. The server takes any."""


def absent() -> str | None:
    """Return what is missing for object storage; None: nothing."""
    for module, package in {
        "snakemake_storage_plugin_s3": "snakemake-storage-plugin-s3", "moto.server": "moto[server]", "flask": "moto[server]",
    }.items():  # fmt: skip
        with contextlib.suppress(ModuleNotFoundError):  # of `moto`, in whose absence `moto.server` is looked up
            if find_spec(module):
                continue
        return f"no {package} (`make test-storage` installs it)"
    return None


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve empty buckets until the end of the block; yield the address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until_open(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until_open(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server did not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("the server does not answer")


def client(address: str):
    import boto3

    access, secret = KEYS.values()
    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id=access, aws_secret_access_key=secret
    )


def fetch(address: str, name: str, prefix: str, folder: Path) -> list[str]:
    """Copy what a bucket holds below a prefix to a folder; return the paths there."""
    s3 = client(address)
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix):
        for one in page.get("Contents", ()):
            path = folder / one["Key"].removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(name, one["Key"], str(path))
            found.append(str(path.relative_to(folder)))
    return found
