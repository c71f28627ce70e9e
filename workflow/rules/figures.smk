# public tables -> one figure (PDF, PNG), the plotted numbers (CSV), and the digests of all three
rule figures:
    input:
        unpack(inputs("figures")),
    output:
        pdf=STORE + "/figures/{id}.pdf",
        png=report(
            STORE + "/figures/{id}.png",
            caption="../report/caption.rst",
            category="Figures",
            subcategory=lambda wildcards: step("figures", wildcards).settings.figure,
            labels=lambda wildcards: {"figure": step("figures", wildcards).settings.figure, "format": "PNG"},
        ),
        csv=STORE + "/figures/{id}.csv",
        sha256=STORE + "/figures/{id}.sha256",
    log:
        LOGS + "/figures/{id}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=mem_mb("figures"),
        runtime=runtime("figures"),
    params:
        settings=settings("figures"),
        # Snakemake does not compare a param that is a function of the input: a new caption makes nothing again
        caption=lambda wildcards, input: captions.figure(step("figures", wildcards).settings.figure),
        code=code("figures"),
        files=flags,
        stem=lambda wildcards, output: output.pdf.removesuffix(".pdf"),
    shell:
        "python -m popleak figures --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "--stem {params.stem} --settings {params.settings:q} 2>&1 | tee {log}"
