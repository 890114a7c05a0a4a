"""Snapshots: versions of the data that models learn from (N1)."""
