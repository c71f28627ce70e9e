# generators -> rows that they release
use rule train as sample with:
    wildcard_constraints:
        stage="sample",
    params:
        engine=lambda wildcards, input: ENGINE,
