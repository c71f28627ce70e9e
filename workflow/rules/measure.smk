# answers -> utility, fairness and bounds of each model
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
    params:
        settings=settings("measure"),
        code=code("measure"),
    shell:
        "python -m popleak measure --step {wildcards.id} --threads {threads} --code {params.code} "
        "--data {input.data} --points {input.points} --victims {input.victims} "
        "--shadows {input.shadows} "
        "--models {output.models} --bounds {output.bounds} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
