# draws -> base models M_0 of some worlds
rule train:
    input:
        unpack(inputs("train")),
    output:
        victims=STORE + "/train/{id}.victims.parquet",
        shadows=STORE + "/train/{id}.shadows.parquet",
    log:
        LOGS + "/train/{id}.log",
    benchmark:
        LOGS + "/train/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("train"),
        runtime=runtime("train"),
        gpu=GPU,
    params:
        settings=settings("train"),
        code=code("train"),
    shell:
        "python -m popleak train --step {wildcards.id} --threads {threads} --code {params.code} "
        "{TRAINING} --data {input.data} --draw {input.draw} "
        "--victims {output.victims} --shadows {output.shadows} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
