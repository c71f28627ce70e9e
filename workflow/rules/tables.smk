# parts -> one public table
use rule dataset as tables with:
    output:
        table=report(
            f"{STORE}/{{stage}}/{{id}}.parquet",
            caption="../report/caption.rst",
            category="Tables",
            subcategory=lambda wildcards: step(wildcards).settings.table,
            labels=lambda wildcards: {"table": step(wildcards).settings.table, "format": "Parquet"},
        ),
    wildcard_constraints:
        stage="tables",
    params:
        # Snakemake does not compare a param that is a function of the input: a new caption makes nothing again
        caption=lambda wildcards, input: captions.table(step(wildcards).settings.table),
