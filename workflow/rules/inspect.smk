# rows that generators release -> what they are as data
use rule dataset as inspect with:
    wildcard_constraints:
        stage="inspect",
