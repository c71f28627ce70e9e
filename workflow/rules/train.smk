# draws -> base models M_0 of some worlds
use rule dataset as train with:
    output:
        victims=f"{STORE}/{{stage}}/{{id}}.victims.parquet",
        shadows=f"{STORE}/{{stage}}/{{id}}.shadows.parquet",
    wildcard_constraints:
        stage="train",
    resources:
        mem_mb=mem_mb,
        runtime=runtime,
        gpu=GPU,
    params:
        engine=lambda wildcards, input: TRAINING,
