# The README's block of results. Not part of the default target: it writes into the checkout, on request alone:
#   snakemake --cores all readme --configfile workflow/experiments/tables.yaml
# It declares no output: so it runs whenever it is asked for, and what another config wrote cannot pass for this one's.
rule readme:
    input:
        unpack(
            lambda wildcards: {
                "figure": PLAN.figures["leakage"].outputs["png"],
                "digests": PLAN.figures["leakage"].outputs["sha256"],
            }
        ),
        **{
            name: PLAN.tables[name].outputs["table"]
            for name in ("models", "leakage", "bounds", "claims", *PERMUTED)
            if name in PLAN.tables
        },
        cards=list(PLAN.report.inputs["cards"]),
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
        permuted=lambda wildcards, input: " ".join(f"--{name} {input.get(name)}" for name in PERMUTED if input.get(name)),
        folder=f"docs/results/{PLAN.experiment.experiment}",
    shell:
        "python -m popleak readme --title {params.title:q} --tau {params.tau} --figure {input.figure} "
        "--models {input.models} --leakage {input.leakage} --bounds {input.bounds} --claims {input.claims} {params.permuted} "
        "--cards {input.cards} --absent {params.absent:q} --folder {params.folder} --readme README.md 2>&1 | tee {log}"
