# The search over the model axis: its configurations follow from one another, so they are no jobs of the plan. Not part of the default target:
#   snakemake --cores all pareto --configfile workflow/experiments/pareto.yaml
# It declares no output and so runs whenever it is asked for; what is in the store and in its studies is not made again.
rule pareto:
    log:
        f"{LOGS}/pareto/{PLAN.experiment.experiment}.log",
    localrule: True
    # of this machine, and no more than --cores; a run on a cluster may have no number of cores of its own
    threads: os.cpu_count() or 1
    resources:
        mem_mb=4000,
    params:
        # a function, since Snakemake takes the braces in a text for wildcards
        settings=lambda wildcards: popleak_canonical(PLAN.experiment.resolved()),
    shell:
        "python -m popleak pareto --cores {threads} --settings {params.settings:q} 2>&1 | tee {log}"
