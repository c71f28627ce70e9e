# records -> victim, adversary and query pool, for each pool split
use rule dataset as split with:
    wildcard_constraints:
        stage="split",
