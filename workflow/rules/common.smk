# What the rules ask the plan for. Every function returns one thing of one step: the wildcard `stage`, which a rule fixes to its own
# stage, and `id` name it. The rule `dataset` holds what the rules of all stages have in common; they are made from it (`use rule`),
# and say in what they differ.
import shlex


def step(wildcards):
    return PLAN[wildcards.stage, wildcards.id]


def inputs(wildcards):
    """Name a step's input files. Their dates count only as far as `settle` (stages/publish.py) leaves them, before Snakemake looks."""
    return {name: [here(path) for path in paths] for name, paths in step(wildcards).inputs.items()}


def here(path):
    """Mark a raw file of the user's as `local`: it is where the user put it, also where all else is in object storage."""
    return path if path.startswith(STORE) or path in PLAN.fetches else local(path)


def settings(wildcards):
    return step(wildcards).params


def code(wildcards):
    return step(wildcards).code


def mem_mb(wildcards, attempt):
    return step(wildcards).mem_mb * attempt


def runtime(wildcards, attempt):
    return step(wildcards).runtime * attempt


# Snakemake does not compare a param that is a function of input or output, as the next ones are: how files are named, the device and
# the stack make nothing again


def files(wildcards, input):
    """Name a step's input files as the command's options: which there are depends on the step. A command finds `digests` beside its files."""
    return options((name, input.get(name)) for name in input.keys() if name != "digests")


def results(wildcards, output):
    """Name a step's output files as the command's options; the only table of a step is its `--output`."""
    return options(("output" if name == "table" else name, output.get(name)) for name in output.keys())


def options(named):
    words = []
    for name, paths in named:
        words += [f"--{name.replace('_', '-')}", *([paths] if isinstance(paths, str) else paths)]
    return shlex.join(words)


def copies(kind):
    """Name the files of a kind that people open. They stay on this machine where all else is in object storage."""
    return [local(path) for path in PLAN.public(kind)]


def record(kind):
    """Name the file that says of what a kind's copies are copies, where the store is not at hand to compare."""
    return [local(popleak_publish.record(PLAN, kind))] if REMOTE else []
