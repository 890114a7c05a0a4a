"""Labelled decisions: what was decided, joined with what turned out, as known at a time (N5)."""
