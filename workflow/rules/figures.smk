# public tables -> one figure (PDF, PNG) and the plotted numbers (CSV)
rule figures:
    input:
        unpack(lambda wildcards: {name: list(paths) for name, paths in PLAN.figures[wildcards.figure].inputs.items()}),
    output:
        pdf=RESULTS + "/figures/{figure}.pdf",
        png=RESULTS + "/figures/{figure}.png",
        csv=RESULTS + "/figures/{figure}.csv",
    log:
        LOGS + f"/figures/{PLAN.experiment.experiment}" + "/{figure}.log",
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: PLAN.figures[wildcards.figure].mem_mb * attempt,
        runtime=30,
    params:
        settings=lambda wildcards: PLAN.figures[wildcards.figure].params,
        code=lambda wildcards: PLAN.figures[wildcards.figure].code,
        files=flags,
        stem=RESULTS + "/figures/{figure}",
    shell:
        "python -m popleak figures --step {wildcards.figure} --threads {threads} --code {params.code} {params.files} "
        "--stem {params.stem} --settings {params.settings:q} 2>&1 | tee {log}"
