# answers (for some attacks weights or training rows) -> one attack's verdict on each victim
use rule dataset as attack with:
    wildcard_constraints:
        stage="attack",
