# victims of all defences and query pools -> utility, fairness and bounds of each victim; shadows are listed
use rule query as measure with:
    output:
        models=f"{STORE}/{{stage}}/{{id}}.models.parquet",
        bounds=f"{STORE}/{{stage}}/{{id}}.bounds.parquet",
    wildcard_constraints:
        stage="measure",
