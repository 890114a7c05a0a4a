"""The contract room: what a model promises, as a file people write and values the rooms share.

Promises that a contract either loads whole or is refused naming file, line, setting and what
would be right; that two contracts can be compared setting by setting; and that a batch of values
is checked against it by rules that every door shares. Must never import anything heavier than
NumPy, and never run code a contract names.
"""
