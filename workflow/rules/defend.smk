# base models -> the same models under one defence
use rule train as defend with:
    wildcard_constraints:
        stage="defend",
