# raw files -> one table of records; direct identifiers stop here
rule dataset:
    input:
        unpack(inputs),
    output:
        table=f"{STORE}/{{stage}}/{{id}}.parquet",
    log:
        f"{LOGS}/{{stage}}/{{id}}.log",
    benchmark:
        f"{LOGS}/{{stage}}/{{id}}.tsv"
    wildcard_constraints:
        stage="dataset",
    threads: 1
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        settings=settings,
        code=code,
        files=files,
        results=results,
        # of the stages that compute with models: the stack and the device
        engine=lambda wildcards, input: "",
    shell:
        "python -m popleak {wildcards.stage} --step {wildcards.id} --threads {threads} --code {params.code} {params.engine} "
        "{params.files} {params.results} --settings {params.settings:q} 2>&1 | tee {log}"
