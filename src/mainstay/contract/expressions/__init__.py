"""Rules that a contract states as text: a small language of its own, over columns.

    amount <= 5000 and not (country in ["XX", "YY"] or account.age_days is missing)
    answer / limit if limit > 0 else 0

Promises that a text either becomes an expression or is refused in words, with the place in the
text; that an expression never raises for data, whatever the data; and that its cost is bounded by
its length. What could divide by zero, by the limits that the contract sets, is refused unless the
text guards it. A missing value makes whatever needs it missing, and a rule that is missing is not
true. Must never run text as Python: no `eval`, no attribute, no call but the functions named here.
"""
