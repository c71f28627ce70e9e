# parts -> the public tables of the experiment
rule tables:
    input:
        unpack(lambda wildcards: {name: list(paths) for name, paths in PLAN.tables[wildcards.table].inputs.items()}),
    output:
        table=RESULTS + "/tables/{table}.parquet",
    log:
        LOGS + f"/tables/{PLAN.experiment.experiment}" + "/{table}.log",
    benchmark:
        LOGS + f"/tables/{PLAN.experiment.experiment}" + "/{table}.tsv"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: PLAN.tables[wildcards.table].mem_mb * attempt,
        runtime=30,
    params:
        settings=lambda wildcards: PLAN.tables[wildcards.table].params,
        code=lambda wildcards: PLAN.tables[wildcards.table].code,
        files=flags,
    shell:
        "python -m popleak tables --step {wildcards.table} --threads {threads} --code {params.code} {params.files} "
        "--output {output.table} --settings {params.settings:q} 2>&1 | tee {log}"
