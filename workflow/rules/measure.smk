# victims of all defences and query pools -> utility, fairness and bounds of each victim; shadows are listed
rule measure:
    input:
        unpack(inputs("measure")),
    output:
        models=STORE + "/measure/{id}.models.parquet",
        bounds=STORE + "/measure/{id}.bounds.parquet",
    log:
        LOGS + "/measure/{id}.log",
    benchmark:
        LOGS + "/measure/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("measure"),
        runtime=runtime("measure"),
        gpu=GPU,
    params:
        settings=settings("measure"),
        code=code("measure"),
    shell:
        "python -m popleak measure --step {wildcards.id} --threads {threads} --code {params.code} "
        "{ENGINE} --data {input.data} --pools {input.pools} --victim-models {input.victim_models} "
        "--shadows {input.shadows} "
        "--models {output.models} --bounds {output.bounds} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
