# answers (for some attacks weights or training rows) -> one attack's estimate of each victim's ratio, among many worlds
rule regress:
    input:
        unpack(inputs("regress")),
    output:
        table=STORE + "/regress/{id}.parquet",
    log:
        LOGS + "/regress/{id}.log",
    benchmark:
        LOGS + "/regress/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("regress"),
        runtime=runtime("regress"),
    params:
        settings=settings("regress"),
        code=code("regress"),
        files=flags,
    shell:
        "python -m popleak regress --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--output {output.table} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
