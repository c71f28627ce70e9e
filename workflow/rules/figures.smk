# public tables -> one figure (PDF, PNG), the plotted numbers (CSV), and the digests of all three
rule figures:
    input:
        unpack(inputs),
    output:
        pdf=f"{STORE}/{{stage}}/{{id}}.pdf",
        png=report(
            f"{STORE}/{{stage}}/{{id}}.png",
            caption="../report/caption.rst",
            category="Figures",
            subcategory=lambda wildcards: step(wildcards).settings.figure,
            labels=lambda wildcards: {"figure": step(wildcards).settings.figure, "format": "PNG"},
        ),
        csv=f"{STORE}/{{stage}}/{{id}}.csv",
        sha256=f"{STORE}/{{stage}}/{{id}}.sha256",
    log:
        f"{LOGS}/{{stage}}/{{id}}.log",
    wildcard_constraints:
        stage="figures",
    localrule: True
    threads: 1
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        settings=settings,
        # Snakemake does not compare a param that is a function of the input: a new caption makes nothing again
        caption=lambda wildcards, input: captions.figure(step(wildcards).settings.figure),
        code=code,
        files=files,
        results=lambda wildcards, output: f"--stem {output.csv.removesuffix('.csv')}",
    shell:
        "python -m popleak {wildcards.stage} --step {wildcards.id} --threads {threads} --code {params.code} {params.files} "
        "{params.results} --settings {params.settings:q} 2>&1 | tee {log}"
