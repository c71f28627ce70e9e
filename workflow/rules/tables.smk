# parts -> one public table
rule tables:
    input:
        unpack(inputs("tables")),
    output:
        table=STORE + "/tables/{id}.parquet",
    log:
        LOGS + "/tables/{id}.log",
    benchmark:
        LOGS + "/tables/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("tables"),
        runtime=runtime("tables"),
    params:
        settings=settings("tables"),
        code=code("tables"),
        files=flags,
    shell:
        "python -m popleak tables --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--output {output.table} --settings {params.settings:q} 2>&1 | tee {log}"
