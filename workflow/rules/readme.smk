# The README's block of an experiment's results. Not part of the default target: it writes into the checkout, on request alone:
#   snakemake --cores all readme --configfile workflow/experiments/tables.yaml
# It declares no output: so it runs whenever it is asked for, and what another config wrote cannot pass for this one's.
README_TABLES = [name for name in TABLES if name in PLAN.tables]


rule readme:
    input:
        **{name: PLAN.tables[name].outputs["table"] for name in README_TABLES},
        figures=[step.outputs["png"] for step in PLAN.figures.values()],
        others=[step.outputs[ending] for step in PLAN.figures.values() for ending in ("csv", "sha256")],
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
        cautions=PLAN.cautions,
        code=code_digest("popleak.report.readme"),
        folder=f"docs/results/{PLAN.experiment.experiment}",
        names=list(PLAN.figures),
        tables=lambda wildcards, input: " ".join(f"--{name} {input.get(name)}" for name in README_TABLES),
    shell:
        "python -m popleak readme --title {params.title:q} --tau {params.tau} --names {params.names} --figures {input.figures} "
        "{params.tables} --cards {input.cards} --absent {params.absent:q} --cautions {params.cautions:q} --folder {params.folder} --readme README.md 2>&1 | tee {log}"
