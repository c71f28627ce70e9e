"""The words of the tables' column `protocol`: how the worlds that an adversary tells apart differ.

None of them is a word that readers of CSV take for a missing value, as they do with `null`, which earlier versions wrote.
"""

PURE = "pure"
RATIO = "ratio"
EQUAL = "equal"
MANY = "k-ary"
PROTOCOLS = (PURE, RATIO, EQUAL, MANY)
OLD = {None: EQUAL, "null": EQUAL}
"""Words of earlier versions, which configs may still hold; an unquoted null in YAML is None."""
