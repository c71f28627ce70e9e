# generators -> rows that they release
use rule dataset as sample with:
    output:
        victims=f"{STORE}/{{stage}}/{{id}}.victims.parquet",
        shadows=f"{STORE}/{{stage}}/{{id}}.shadows.parquet",
    wildcard_constraints:
        stage="sample",
