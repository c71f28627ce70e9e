# The README's block of results. Not part of the default target: it writes into the checkout, on request alone:
#   snakemake --cores all readme --configfile workflow/experiments/tables.yaml
# README.md is no declared output, because Snakemake deletes outputs before a job.
rule readme:
    input:
        **{name: f"{RESULTS}/tables/{name}.parquet" for name in ("models", "leakage", "bounds", "claims")},
        figure=RESULTS + "/figures/leakage.png",
        cards=list(PLAN.report.inputs["cards"]),
    output:
        expand(
            "docs/results/{experiment}/{file}",
            experiment=PLAN.experiment.experiment,
            file=["block.md", "claims.csv", "leakage.csv", "leakage.png"],
        ),
    log:
        LOGS + f"/readme/{PLAN.experiment.experiment}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        title=lambda wildcards: PLAN.experiment.title,
        tau=PLAN.experiment.tau,
        absent=PLAN.absent,
        code=code_digest("popleak.readme"),
        folder=f"docs/results/{PLAN.experiment.experiment}",
    shell:
        "python -m popleak readme --title {params.title:q} --tau {params.tau} --figure {input.figure} "
        "--models {input.models} --leakage {input.leakage} --bounds {input.bounds} --claims {input.claims} "
        "--cards {input.cards} --absent {params.absent:q} --folder {params.folder} --readme README.md 2>&1 | tee {log}"
