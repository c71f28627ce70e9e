# public tables, figures and data cards -> one page that opens offline, its tables as files for a paper, and their digests
use rule figures as report with:
    input:
        unpack(inputs),
        digests=[ancient(step.outputs["sha256"]) for step in PLAN.figures.values()],
    output:
        html=report(
            f"{STORE}/{{stage}}/{{id}}.html",
            caption="../report/caption.rst",
            category="Report",
            labels={"page": "report", "format": "HTML"},
        ),
        sha256=f"{STORE}/{{stage}}/{{id}}.sha256",
        paper=[
            report(
                f"{STORE}/{{stage}}/{{id}}.{file}",
                caption="../report/paper.rst",
                category="Tables",
                subcategory=file.split(".")[0],
                labels={"table": file.split(".")[0], "format": file.split(".")[1]},
            )
            for file in papers_of(PLAN.tables)
        ],
        described=[f"{STORE}/{{stage}}/{{id}}.{file}" for file in DESCRIBED.values()],
    wildcard_constraints:
        stage="report",
    localrule: True
    params:
        caption=lambda wildcards, input: captions.PAGE,
        results=lambda wildcards, output: f"--output {output.html}",
