"""Histories: rows of the user's own that a model learns from, instead of the journal (N1 N5)."""
