# pools -> the rows of every model, and the query points
rule draw:
    input:
        unpack(inputs("draw")),
    output:
        table=STORE + "/draw/{id}.parquet",
    log:
        LOGS + "/draw/{id}.log",
    benchmark:
        LOGS + "/draw/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("draw"),
        runtime=runtime("draw"),
    params:
        settings=settings("draw"),
        code=code("draw"),
    shell:
        "python -m popleak draw --step {wildcards.id} --threads {threads} --code {params.code} "
        "--data {input.data} --pools {input.pools} "
        "--output {output.table} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
