"""The wire room: bytes to values and back, one file for each form that clients speak.

Promises that any bytes at all become either a `Parsed` or an `InvalidRequest` that names the
field, the rule, what came and what would be right; that names, datatypes, shapes and sizes are
checked before any value is built; and that work and memory stay in proportion to the body's size.
Must never do I/O, wait, keep anything between requests or judge a value: limits of values are the
contract's, and the pipeline checks them.
"""
