"""A Slurm of one node on the loopback interface, for one test run: three daemons in the foreground, and two files in /etc/slurm.

The files must lie there, because the `srun` inside a job finds its Slurm nowhere else. They name the process that wrote
them, and go with it; a Slurm that somebody else has set up is left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ETC = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sacct", "setpriv")
CLUSTER = "popleak-tests"
OURS = "# written by the tests of popleak, process {}"
CONFIG = """{ours}
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# a job of a lost node waits as long as credentials hold, by default two minutes
AuthInfo=socket={folder}/munge/socket,cred_expire=20
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# no database of jobs, as at small sites; `sacct` is installed all the same, and fails
AccountingStorageType=accounting_storage/none
# memory is enforced by looking at it, which needs no cgroups and so works in a container
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
# so long `squeue` knows a job after its end; the default is 300, and the test looks at all of them at the end
MinJobAge=3600
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
# the node is said to be larger than it may be, so that jobs wait for processors alone
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def absent() -> str | None:
    """Return why no Slurm can be brought up here, or None."""
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge"
    found = ETC / "slurm.conf"
    if found.exists() and not _left_by_the_dead(found):
        return f"{found} is there: a Slurm that is not of these tests"
    return None


def _left_by_the_dead(config: Path) -> bool:
    written = re.match(OURS.format(r"(\d+)"), config.read_text(encoding="utf-8"))
    return written is not None and not Path("/proc", written[1]).exists()


def run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def node(folder: Path) -> Iterator[None]:
    """Bring up a Slurm whose state lies in `folder`; end its daemons and remove its files afterwards, come what may."""
    host = socket.gethostname().split(".")[0]
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700, parents=True)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    text = CONFIG.format(
        ours=OURS.format(os.getpid()),
        cluster=CLUSTER,
        host=host,
        folder=folder,
        ports=_free(2),
        cpus=max(2, os.cpu_count() or 1),
    )
    made = ETC.exists()
    daemons: list[subprocess.Popen] = []

    def start(name: str, *words: str) -> None:
        with open(folder / f"{name}.out", "w", encoding="utf-8") as out:
            # they end with this process, even if it is killed
            command = ["setpriv", "--pdeathsig", "KILL", shutil.which(name), *words]
            daemons.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))

    try:
        ETC.mkdir(exist_ok=True)
        (ETC / "slurm.conf").write_text(text, encoding="utf-8")
        munge = [f"--{name}={folder}/munge/{file}" for name, file in
                 {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}.items()]  # fmt: skip
        start("munged", "--foreground", "--force", *munge)
        _wait_for(lambda: (folder / "munge" / "socket").exists(), folder)
        start("slurmctld", "-D")
        start("slurmd", "-D")
        _wait_for(lambda: "idle" in subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout, folder)  # fmt: skip
        yield
    finally:
        if daemons:
            _end_jobs()
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        _end_strays()
        (ETC / "slurm.conf").unlink(missing_ok=True)
        if not made:
            ETC.rmdir()


def _end_jobs() -> None:
    """Cancel all jobs and wait for their processes, for the daemons would leave them behind."""
    subprocess.run(["scancel", "--user", "root"], capture_output=True, timeout=30)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if not subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, timeout=30).stdout.strip():
            return
        time.sleep(0.2)


def _end_strays() -> None:
    """Kill what jobs left behind: of one whose node was said to have failed, Slurm no longer knows the processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if f"SLURM_CLUSTER_NAME={CLUSTER}".encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _free(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(ready, folder: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            said = "\n".join(
                f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(folder.glob("*.[ol][uo][tg]"))
            )
            raise TimeoutError(f"Slurm is not up after {seconds:.0f} s\n{said}")
        time.sleep(0.2)
