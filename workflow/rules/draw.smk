# pools -> the rows of every model, and the query points
use rule dataset as draw with:
    wildcard_constraints:
        stage="draw",
