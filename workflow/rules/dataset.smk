# raw files -> one table of records; direct identifiers stop here
rule dataset:
    input:
        unpack(inputs("dataset")),
    output:
        table=STORE + "/dataset/{id}.parquet",
    log:
        LOGS + "/dataset/{id}.log",
    benchmark:
        LOGS + "/dataset/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("dataset"),
        runtime=runtime("dataset"),
    params:
        settings=settings("dataset"),
        code=code("dataset"),
    shell:
        "python -m popleak dataset --step {wildcards.id} --threads {threads} --code {params.code} "
        "--files {input.files:q} "
        "--output {output.table} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
