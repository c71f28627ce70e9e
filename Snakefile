# popleak: dataset -> split -> draw -> train -> defend -> query -> attack -> tables -> figures -> report.
#
# This file validates the config, asks the plan for the steps, and names the targets. The logic is in the package
# (workflow/popleak/plan/build.py); each rule in workflow/rules is one call of the command that bears its name.
import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.25")


try:
    from popleak.config import reading as popleak_reading
    from popleak.config import resolve as popleak_config
    from popleak.core import locks as popleak_locks
    from popleak.core.errors import PopleakError
    from popleak.core.provenance import code_digest
    from popleak.plan import build as popleak_plan
    from popleak.plan import places as popleak_places
    from popleak.report import captions
    from popleak.stages import publish as popleak_publish
    from popleak.steps.report import papers_of
    from popleak.store.schema import TABLES
except ImportError as error:
    raise WorkflowError(
        f"popleak is not installed for {sys.executable} ({error}): run `make install` and use .venv/bin/snakemake"
    )

# beside this file, whatever the working directory is
DEFAULTS = os.path.join(workflow.basedir, "config.yaml")

# Snakemake lets the last of two equal keys win, and takes `no` for false: its files are read strictly first
try:
    popleak_reading.check([DEFAULTS, *workflow.overwrite_configfiles])
except PopleakError as error:
    raise WorkflowError(str(error))


configfile: DEFAULTS


try:
    PLAN = popleak_plan.build(popleak_config.load(config))
except PopleakError as error:
    raise WorkflowError(str(error))

RESULTS = PLAN.folder()
ENGINE = " ".join(f"--{name} {getattr(PLAN.experiment.engine, name)}" for name in ("stack", "device", "backend"))
TRAINING = ENGINE + ("" if PLAN.experiment.engine.reuse else " --no-reuse")
GPU = int(PLAN.experiment.engine.device == "cuda")
STORE = popleak_plan.ROOT + "/store"
LOGS = popleak_plan.ROOT + "/logs"

if workflow.is_main_process:  # and not in the jobs that a run starts, which read this file again
    if popleak_locks.clear(".snakemake"):
        print("popleak: the last run in this folder was killed; its lock is removed", file=sys.stderr)
    try:
        popleak_places.check(PLAN)
        popleak_publish.settle(PLAN)
        PUBLISHED = popleak_publish.renew(PLAN)
        TO_MAKE = popleak_publish.missing(PLAN, PUBLISHED)  # as the DAG will see it
    except PopleakError as error:
        raise WorkflowError(str(error))

# jobs run the same Python as this, whether or not its environment is activated; a prefix replaces Snakemake's own strict
# mode, without which a failed command before `| tee` would count as done. glibc gives large blocks back to the system and
# takes them again all the time, unless told to keep them: a fifth of the time of jobs on large arrays
shell.prefix(
    f'set -euo pipefail; export PATH="{os.path.dirname(sys.executable)}:$PATH" MALLOC_TRIM_THRESHOLD_=268435456 '
    "MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TOP_PAD_=16777216; "
)


wildcard_constraints:
    id="[a-z0-9][A-Za-z0-9_-]*",
    kind="tables|figures|report",


rule all:
    default_target: True
    input:
        PLAN.targets(),


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/draw.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/defend.smk"
include: "workflow/rules/query.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/page.smk"


onstart:
    try:
        popleak_locks.claim(popleak_plan.ROOT, TO_MAKE)
    except PopleakError as error:
        raise WorkflowError(str(error))
    print(f"popleak: {PLAN.describe()}", file=sys.stderr)
    for line in [*popleak_publish.replaced(PLAN), *PLAN.notices()]:
        print(f"popleak: {line}", file=sys.stderr)


onerror:
    popleak_publish.rescue(PLAN)
    print(popleak_publish.closing(PLAN), file=sys.stderr)


onsuccess:
    popleak_publish.rescue(PLAN, PUBLISHED)
    print(popleak_publish.closing(PLAN), file=sys.stderr)
    for line in PLAN.absent:
        print(f"popleak: left out: {line}", file=sys.stderr)
