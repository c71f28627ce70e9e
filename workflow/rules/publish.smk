# finished files in the store -> copies under plain names in the experiment's folder, made anew where they differ. What differs is found by
# content (`renew` in stages/publish.py), which renews a stamp and gives copies that are current the date of what they are copies of.
# Copies and stamps are `local`: they stay on this machine, as people want to open them, where the store is in object storage (`REMOTE`).


# made when the Snakefile is read, if the folder can be written; there, too, the stamp of what is not the plan's is renewed
rule stamp:
    output:
        local(f"{RESULTS}/.stamps/{{kind}}"),
    log:
        f"{LOGS}/publish/{PLAN.experiment.experiment}/{{kind}}.stamp.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    shell:
        "touch {output} 2>&1 | tee {log}"


rule publish_tables:
    input:
        files=list(PLAN.public("tables").values()),
        stamp=local(f"{RESULTS}/.stamps/tables"),
    output:
        files=copies("tables"),
        record=record("tables"),
    log:
        f"{LOGS}/publish/{PLAN.experiment.experiment}/tables.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "python -m popleak publish --files {input.files} --outputs {output.files} --record {output.record} 2>&1 | tee {log}"


if PLAN.figures:

    use rule publish_tables as publish_figures with:
        input:
            files=list(PLAN.public("figures").values()),
            digests=[step.outputs["sha256"] for step in PLAN.figures.values()],
            stamp=local(f"{RESULTS}/.stamps/figures"),
        output:
            files=copies("figures"),
            record=record("figures"),
        log:
            f"{LOGS}/publish/{PLAN.experiment.experiment}/figures.log",
        localrule: True


use rule publish_tables as publish_report with:
    input:
        files=list(PLAN.public("report").values()),
        digests=[step.outputs["sha256"] for step in (PLAN.report, PLAN.advice) if step],
        stamp=local(f"{RESULTS}/.stamps/report"),
    output:
        files=copies("report"),
        record=record("report"),
    log:
        f"{LOGS}/publish/{PLAN.experiment.experiment}/report.log",
    localrule: True
