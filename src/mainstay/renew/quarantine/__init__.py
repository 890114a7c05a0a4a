"""Stretches of time that no snapshot of a model may use, until they are taken back (N2 N5)."""
