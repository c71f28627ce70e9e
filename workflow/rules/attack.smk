# answers (for some attacks weights or training rows) -> one attack's verdict on each victim
rule attack:
    input:
        unpack(inputs("attack")),
    output:
        table=STORE + "/attack/{id}.parquet",
    log:
        LOGS + "/attack/{id}.log",
    benchmark:
        LOGS + "/attack/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("attack"),
        runtime=runtime("attack"),
    params:
        settings=settings("attack"),
        code=code("attack"),
        files=flags,
    shell:
        "python -m popleak attack --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--output {output.table} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
