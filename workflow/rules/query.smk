# models of all defences -> their answers to the query sets
use rule train as query with:
    wildcard_constraints:
        stage="query",
    params:
        engine=lambda wildcards, input: ENGINE,
