"""How a recommender fares: what its lists have of the catalogue, and what becomes of them.

Promises that every measure is worked out from mergeable counts of what was shown and taken, exact
for any number of lists; and that a change is told under the same false alarms as all others. Must
never look at a row again, nor know a person by name.
"""
