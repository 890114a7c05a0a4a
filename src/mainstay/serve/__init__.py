"""The serve room: a request becomes an answer.

Promises that every door builds the same `Call` and every call goes through the same steps; that
an answer is acknowledged only when its decision is recorded; that a new version takes over
between two requests; and that readiness never lies. Must never import pandas, SciPy, pyarrow or
DuckDB, wait for a database while a request waits, or run a step that a model does not declare.
"""
