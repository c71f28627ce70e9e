# public tables, figures and data cards -> one page that opens offline, its tables as files for a paper, and their digests
rule report:
    input:
        unpack(inputs("report")),
        digests=[step.outputs["sha256"] for step in PLAN.figures.values()],
    output:
        html=report(
            STORE + "/report/{id}.html",
            caption="../report/caption.rst",
            category="Report",
            labels={"page": "report", "format": "HTML"},
        ),
        sha256=STORE + "/report/{id}.sha256",
        paper=[
            report(
                STORE + "/report/{id}." + file,
                caption="../report/paper.rst",
                category="Tables",
                subcategory=file.split(".")[0],
                labels={"table": file.split(".")[0], "format": file.split(".")[1]},
            )
            for file in papers_of(PLAN.tables)
        ],
    log:
        LOGS + "/report/{id}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=mem_mb("report"),
        runtime=runtime("report"),
    params:
        settings=settings("report"),
        # Snakemake does not compare a param that is a function of the input: a new caption makes nothing again
        caption=lambda wildcards, input: captions.PAGE,
        code=code("report"),
        files=flags,
    shell:
        "python -m popleak report --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--output {output.html} --settings {params.settings:q} 2>&1 | tee {log}"
