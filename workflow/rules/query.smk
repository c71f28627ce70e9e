# models of all defences -> their answers to the query sets
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
        gpu=GPU,
    params:
        settings=settings("query"),
        code=code("query"),
    shell:
        "python -m popleak query --step {wildcards.id} --threads {threads} --code {params.code} "
        "{ENGINE} --data {input.data} --points {input.points} --victim-models {input.victim_models} "
        "--shadow-models {input.shadow_models} "
        "--victims {output.victims} --shadows {output.shadows} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
