# The page of an experiment's results, docs/results/NAME.md, and the README's findings. Not part of the default target: it writes into
# the checkout, on request alone:
#   snakemake --cores all page --configfile workflow/experiments/tables.yaml
# It declares no output, so it runs whenever it is asked for, and a page that another config wrote cannot pass for this one's.
PAGE_TABLES = [name for name in TABLES if name in PLAN.tables]


rule page:
    input:
        **{name: PLAN.tables[name].outputs["table"] for name in PAGE_TABLES},
        figures=[step.outputs["png"] for step in PLAN.figures.values()],
        others=[step.outputs[ending] for step in PLAN.figures.values() for ending in ("csv", "sha256")],
        cards=list(PLAN.report.inputs["cards"]),
    log:
        f"{LOGS}/page/{PLAN.experiment.experiment}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        # a function, since Snakemake takes the braces in a text for wildcards, and the claims of a paper have some
        settings=lambda wildcards: PLAN.report.params,
        code=code_digest("popleak.report.page"),
        tables=lambda wildcards, input: " ".join(f"--{name} {input.get(name)}" for name in PAGE_TABLES),
    shell:
        "python -m popleak page --settings {params.settings:q} {params.tables} --figures {input.figures} --cards {input.cards} 2>&1 | tee {log}"
