# finished files in the store -> copies under plain names in the experiment's folder, made anew wherever they differ


# made once; the Snakefile gives the stamp of a copy that is not the plan's a new content
rule stamps:
    output:
        popleak_publish.stamps(PLAN),
    log:
        LOGS + f"/publish/{PLAN.experiment.experiment}/stamps.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    shell:
        "touch {output} 2>&1 | tee {log}"


rule publish_table:
    input:
        table=lambda wildcards: PLAN.tables[wildcards.table].outputs["table"],
        stamp=RESULTS + "/.stamps/tables-{table}",
    output:
        table=RESULTS + "/tables/{table}.parquet",
    log:
        LOGS + f"/publish/{PLAN.experiment.experiment}" + "/tables/{table}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "python -m popleak publish --files {input.table} --outputs {output.table} 2>&1 | tee {log}"


rule publish_figure:
    input:
        unpack(lambda wildcards: PLAN.figures[wildcards.figure].outputs),
        stamp=RESULTS + "/.stamps/figures-{figure}",
    output:
        pdf=RESULTS + "/figures/{figure}.pdf",
        png=RESULTS + "/figures/{figure}.png",
        csv=RESULTS + "/figures/{figure}.csv",
    log:
        LOGS + f"/publish/{PLAN.experiment.experiment}" + "/figures/{figure}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "python -m popleak publish --files {input.pdf} {input.png} {input.csv} --digests {input.sha256} "
        "--outputs {output.pdf} {output.png} {output.csv} 2>&1 | tee {log}"


rule publish_report:
    input:
        **PLAN.report.outputs,
        stamp=RESULTS + "/.stamps/report",
    output:
        html=RESULTS + "/report.html",
    log:
        LOGS + f"/publish/{PLAN.experiment.experiment}/report.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "python -m popleak publish --files {input.html} --digests {input.sha256} --outputs {output.html} 2>&1 | tee {log}"
