"""The tally room: what is counted across requests, such as how often one user was asked.

Promises that counting never makes a request wait, that several processes count together within
one second, and that a restart forgets nothing it was told that long before. Must never know what
is counted, or why: names, keys and amounts are the caller's.
"""
