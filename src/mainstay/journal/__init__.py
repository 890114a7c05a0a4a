"""The journal room: every decision and every other fact, written once, found for ever.

Promises that an appended record survives the death of the process (`written`), a power cut
(`durable`) or may be lost with the process (`buffered`), as the contract chose; that records
become Parquet exactly once; and that a query sees lake and unsealed tail as one, none twice.
Must never decide anything: it keeps facts. The writing side imports neither pyarrow nor duckdb.
"""
