"""The access room: who is calling, and what they were granted.

Promises that a secret is kept only as its digest, is compared without leaking time, and that a
caller reaches only the models named on the key. Must never wait for a network or a database while
a request waits: it decides from a snapshot in memory.
"""
