# public tables and verdicts on placebos -> the page and the file by which an owner decides on a release, and their digests
use rule figures as advise with:
    output:
        html=report(
            f"{STORE}/{{stage}}/{{id}}.html",
            caption="../report/caption.rst",
            category="Audit",
            labels={"page": "audit", "format": "HTML"},
        ),
        json=f"{STORE}/{{stage}}/{{id}}.json",
        sha256=f"{STORE}/{{stage}}/{{id}}.sha256",
    wildcard_constraints:
        stage="advise",
    localrule: True
    params:
        caption=lambda wildcards, input: captions.ADVICE,
        results=lambda wildcards, output: f"--output {output.html}",
