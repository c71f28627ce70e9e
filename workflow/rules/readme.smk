# The README's block of an experiment's results. Not part of the default target: it writes into the checkout, on request alone:
#   snakemake --cores all readme --configfile workflow/experiments/tables.yaml
# Where settings are swept the block is on these: it needs the figure `sensitivity`, else `leakage`.
# It declares no output: so it runs whenever it is asked for, and what another config wrote cannot pass for this one's.
README_FIGURE = "sensitivity" if "sensitivity" in PLAN.tables else "leakage"
README_TABLES = [name for name in ("models", "leakage", "bounds", "claims", *PERMUTED, *SWEPT) if name in PLAN.tables]


rule readme:
    input:
        unpack(
            lambda wildcards: {
                "figure": PLAN.figures[README_FIGURE].outputs["png"],
                "digests": PLAN.figures[README_FIGURE].outputs["sha256"],
            }
        ),
        **{name: PLAN.tables[name].outputs["table"] for name in README_TABLES},
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
        folder=f"docs/results/{PLAN.experiment.experiment}",
        tables=lambda wildcards, input: " ".join(f"--{name} {input.get(name)}" for name in README_TABLES),
    shell:
        "python -m popleak readme --title {params.title:q} --tau {params.tau} --figure {input.figure} "
        "{params.tables} --cards {input.cards} --absent {params.absent:q} --folder {params.folder} --readme README.md 2>&1 | tee {log}"
