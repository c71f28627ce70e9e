# models -> their answers to the query set
rule query:
    input:
        unpack(inputs("query")),
    output:
        victims=STORE + "/query/{id}.victims.parquet",
        shadows=STORE + "/query/{id}.shadows.parquet",
    log:
        LOGS + "/query/{id}.log",
    benchmark:
        LOGS + "/query/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("query"),
        runtime=runtime("query"),
    params:
        settings=settings("query"),
        code=code("query"),
    shell:
        "python -m popleak query --step {wildcards.id} --threads {threads} --code {params.code} "
        "--data {input.data} --points {input.points} --victims-0 {input.victims_0} "
        "--victims-1 {input.victims_1} --shadows-0 {input.shadows_0} "
        "--shadows-1 {input.shadows_1} "
        "--victims {output.victims} --shadows {output.shadows} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
