"""Answers that wait for a person: kept until somebody releases or rejects them, or time does.

Promises that what waits outlives every process; that of several people who decide at once exactly
one does, and the others are told who it was; and that an answer is told to nobody before it is
released. Works without the keeper and without a database, so that nobody waits for those.
"""
