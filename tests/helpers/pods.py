"""A stand-in for a Kubernetes cluster: the four requests that Snakemake's plugin makes, with processes for pods.

A pod is a shell in an empty folder, with nothing of the environment but its secrets. The image that it starts from holds the
package, Snakemake and the storage plugin, so that the `pip install` with which each pod begins finds nothing to do.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: it, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{token: any}}}}]
contexts: [{{name: here, context: {{cluster: it, user: me}}}}]
current-context: here
"""


@dataclass
class Cluster:
    """What the cluster was asked for. image: the folder of the package in each pod."""

    folder: Path
    image: Path
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    def start(self, body: dict[str, Any]) -> None:
        name, container = body["metadata"]["name"], body["spec"]["template"]["spec"]["containers"][0]
        place = self.folder / name
        (place / "bin").mkdir(parents=True)
        (place / "workdir").mkdir()
        for program, line in {"pip": "exit 0", "python": f'exec {sys.executable} "$@"'}.items():
            path = place / "bin" / program
            path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
            path.chmod(0o755)
        environment = {"PATH": f"{place / 'bin'}:/usr/bin:/bin", "HOME": str(place), "PYTHONPATH": str(self.image)}
        for one in container["env"]:
            secret = one["valueFrom"]["secretKeyRef"]
            environment[one["name"]] = base64.b64decode(self.secrets[secret["name"]][secret["key"]]).decode()
        self.pods[name] = container
        with open(place / "log", "w", encoding="utf-8") as log:
            self.processes[name] = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=place / "workdir",
                env=environment,
                stdout=log,
                stderr=log,
            )

    def state(self, name: str) -> dict[str, int]:
        status = self.processes[name].poll()
        return {} if status is None else {"succeeded": 1} if status == 0 else {"failed": 1}

    def logs(self) -> str:
        return "\n".join(path.read_text(encoding="utf-8")[-2000:] for path in sorted(self.folder.glob("*/log")))


@contextlib.contextmanager
def cluster(folder: Path, image: Path) -> Iterator[tuple[Cluster, Path]]:
    """Run a cluster until the end of the block; yield it, and the path of its configuration for `KUBECONFIG`."""
    found = Cluster(folder, image)

    class Requests(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

        def answer(self, what: dict[str, Any], status: int = 200) -> None:
            data = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = self.body()
            if self.path.endswith("/secrets"):
                found.secrets[body["metadata"]["name"]] = body["data"]
            else:
                found.start(body)
            self.answer(body, 201)

        def do_GET(self) -> None:
            if "/jobs/" in self.path:
                name = self.path.split("/jobs/")[1].split("/")[0]
                self.answer({"metadata": {"name": name}, "status": found.state(name)})
            else:
                self.answer({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []})

        def do_DELETE(self) -> None:
            self.body()
            self.answer({"status": {}})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "kubeconfig"
    config.write_text(CONFIG.format(port=server.server_address[1]), encoding="utf-8")
    try:
        yield found, config
    finally:
        server.shutdown()
        server.server_close()
        for process in found.processes.values():
            process.kill()
            process.wait()
