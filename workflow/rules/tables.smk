# parts -> one public table
rule tables:
    input:
        unpack(inputs("tables")),
    output:
        table=report(
            STORE + "/tables/{id}.parquet",
            caption="../report/caption.rst",
            category="Tables",
            subcategory=lambda wildcards: step("tables", wildcards).settings.table,
            labels=lambda wildcards: {"table": step("tables", wildcards).settings.table, "format": "Parquet"},
        ),
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
        # Snakemake does not compare a param that is a function of the input: a new caption makes nothing again
        caption=lambda wildcards, input: captions.table(step("tables", wildcards).settings.table),
        code=code("tables"),
        files=flags,
    shell:
        "python -m popleak tables --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--output {output.table} --settings {params.settings:q} 2>&1 | tee {log}"
