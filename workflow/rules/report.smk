# public tables, figures and data cards -> one page that opens offline
rule report:
    input:
        **{name: list(paths) for name, paths in PLAN.report.inputs.items()},
    output:
        html=RESULTS + "/report.html",
    log:
        LOGS + f"/report/{PLAN.experiment.experiment}.log",
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        settings=lambda wildcards: PLAN.report.params,
        code=lambda wildcards: PLAN.report.code,
    shell:
        "python -m popleak report --step {PLAN.experiment.experiment} --threads {threads} --code {params.code} "
        "--models {input.models} --scores {input.scores} --leakage {input.leakage} --bounds {input.bounds} --claims {input.claims} "
        "--figures {input.figures} --cards {input.cards} "
        "--output {output.html} --settings {params.settings:q} 2>&1 | tee {log}"
