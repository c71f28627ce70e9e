# public tables, figures and data cards -> one page that opens offline, and its digest
rule report:
    input:
        unpack(inputs("report")),
    output:
        html=report(
            STORE + "/report/{id}.html",
            caption="../report/caption.rst",
            category="Report",
            labels={"page": "report", "format": "HTML"},
        ),
        sha256=STORE + "/report/{id}.sha256",
    log:
        LOGS + "/report/{id}.log",
    threads: 1
    resources:
        mem_mb=mem_mb("report"),
        runtime=runtime("report"),
    params:
        settings=settings("report"),
        caption=captions.PAGE,
        code=code("report"),
        files=flags,
    shell:
        "python -m popleak report --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--output {output.html} --settings {params.settings:q} 2>&1 | tee {log}"
