"""A Python that starts warm: `python -m MODULE` or `python -c CODE` in a fork of a process that has imported what Snakemake and the jobs import.

Most of the time of a small run is the start of some twenty processes. `python()` is a program of that name; what it runs finds it
as `sys.executable`, so the jobs that a run starts are forks too. The package itself is imported anew in each, from its
`PYTHONPATH`. A few tests start Python itself, as users do: see `runs.snakemake`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

IMPORTED = (
    "snakemake.cli", "snakemake.report.html_reporter", "snakemake.storage", "smart_open", "requests", "dpath", "numpy", "pandas",
    "pyarrow.parquet", "pydantic", "yaml", "jinja2", "scipy.stats", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
)  # fmt: skip
"""What nearly all of them import. The larger the process, the longer takes a fork."""
STUB = """#!/bin/bash
# all else starts as ever
if [ "$1" != -m ] && [ "$1" != -c ]; then exec {real} "$@"; fi
mkdir {folder}/$$ && mkfifo {folder}/$$/status || exit 1
printf '%s\\0' "$PWD" "$@" > {folder}/$$/words
env -0 > {folder}/$$/environment
echo $$ > {folder}/asked
read -r status < {folder}/$$/status
rm -r {folder}/$$
exit $status
"""


@functools.cache
def python() -> str:
    """Return the path of the warm Python of this process, which ends with it."""
    return started()[0]


def started(*prefix: str) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a warm Python that ends with this process; return its path and the process of which all that it runs are forks.

    prefix: a command that starts it, as `unshare`, for file systems that nobody else sees.
    """
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    stub = folder / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text(STUB.format(real=sys.executable, folder=folder))
    stub.chmod(0o755)
    os.mkfifo(folder / "asked")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [*prefix, sys.executable, str(Path(__file__)), str(folder)], stdin=subprocess.PIPE, env=environment
    )

    def end() -> None:
        server.stdin.close()
        server.wait()

    atexit.register(end)
    return str(stub), server


def serve(folder: Path) -> Path | None:
    """Fork for each process that asks, until stdin closes; return, in a fork, where it finds what was asked for."""
    asked = os.open(folder / "asked", os.O_RDWR | os.O_NONBLOCK)
    ended, wake = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running: dict[int, Path] = {}
    told: dict[Path, int] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0, asked, ended], [], [])
        if 0 in ready:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        if ended in ready:
            os.read(ended, 4096)
            while running and (found := os.waitpid(-1, os.WNOHANG))[0]:
                place, status = running.pop(found[0]), os.waitstatus_to_exitcode(found[1])
                with contextlib.suppress(FileNotFoundError):  # who asked was killed
                    # open for reading too, so that neither side waits, and until who asked has read it
                    told[place] = os.open(place / "status", os.O_RDWR)
                    os.write(told[place], f"{status if status >= 0 else 128 - status}\n".encode())
        for place in [place for place in told if not place.exists()]:
            os.close(told.pop(place))
        if asked in ready:
            *numbers, rest = (rest + os.read(asked, 4096)).split(b"\n")
            for number in numbers:
                place = folder / number.decode()
                if not (child := os.fork()):
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return place
                running[child] = place


def become(place: Path, executable: str) -> None:
    """Run a module as `python -m` does, or code as `python -c` does, with the folder, environment and output of the process that asked for it."""
    cwd, option, what, *words = (place / "words").read_text().split("\0")[:-1]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(f"/proc/{place.name}/fd/{number}", os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(pair.split("=", 1) for pair in (place / "environment").read_text().split("\0") if pair)
    os.chdir(cwd)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [cwd, *filter(None, paths)]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.executable, sys.argv = executable, [what if option == "-m" else option, *words]
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    # the interpreter's own end takes as long as the start that is saved
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if place := serve(Path(sys.argv[1])):
        become(place, str(place.parent / "bin" / "python"))
