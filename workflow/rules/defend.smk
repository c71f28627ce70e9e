# base models -> the same models under one defence
rule defend:
    input:
        unpack(inputs("defend")),
    output:
        victims=STORE + "/defend/{id}.victims.parquet",
        shadows=STORE + "/defend/{id}.shadows.parquet",
    log:
        LOGS + "/defend/{id}.log",
    benchmark:
        LOGS + "/defend/{id}.tsv"
    threads: 1
    resources:
        mem_mb=mem_mb("defend"),
        runtime=runtime("defend"),
        gpu=GPU,
    params:
        settings=settings("defend"),
        code=code("defend"),
    shell:
        "python -m popleak defend --step {wildcards.id} --threads {threads} --code {params.code} "
        "{TRAINING} --data {input.data} --draw {input.draw} "
        "--complement {input.complement} --public {input.public} "
        "--base-victims {input.victims} "
        "--base-shadows {input.shadows} "
        "--victims {output.victims} --shadows {output.shadows} "
        "--settings {params.settings:q} 2>&1 | tee {log}"
