# records -> victim, adversary and query pool, for each pool split
rule split:
    input:
        unpack(inputs("split")),
    output:
        table=STORE + "/split/{id}.parquet",
    log:
        LOGS + "/split/{id}.log",
    benchmark:
        LOGS + "/split/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("split"),
        runtime=runtime("split"),
    params:
        settings=settings("split"),
        code=code("split"),
    shell:
        "python -m popleak split --step {wildcards.id} --threads {threads} --code {params.code} "
        "--data {input.data} "
        "--output {output.table} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
