# What the rules ask the plan for. Every function returns one thing of one step.


def step(stage, wildcards):
    return PLAN[stage, wildcards.id]


def inputs(stage):
    """Name a step's input files. Their dates count only as far as `settle` (stages/publish.py) leaves them, before Snakemake looks."""
    return lambda wildcards: {
        name: [here(path) for path in paths] for name, paths in step(stage, wildcards).inputs.items()
    }


def here(path):
    """Mark a raw file of the user's as `local`: it is where the user put it, also where all else is in object storage."""
    return path if path.startswith(STORE) or path in PLAN.fetches else local(path)


def settings(stage):
    return lambda wildcards: step(stage, wildcards).params


def code(stage):
    return lambda wildcards: step(stage, wildcards).code


def mem_mb(stage):
    return lambda wildcards, attempt: step(stage, wildcards).mem_mb * attempt


def runtime(stage):
    return lambda wildcards, attempt: step(stage, wildcards).runtime * attempt


def flags(wildcards, input):
    """Name a step's input files as the command's options: which there are depends on the step. A command finds `digests` beside its files."""
    return " ".join(f"--{name.replace('_', '-')} {input.get(name)}" for name in input.keys() if name != "digests")


def copies(kind):
    """Name the files of a kind that people open. They stay on this machine where all else is in object storage."""
    return [local(path) for path in PLAN.public(kind)]


def record(kind):
    """Name the file that says of what a kind's copies are copies, where the store is not at hand to compare."""
    return [local(popleak_publish.record(PLAN, kind))] if REMOTE else []
