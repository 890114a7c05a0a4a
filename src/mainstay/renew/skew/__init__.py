"""Skew: whether features come out again as they were when the decisions were made (S11 S12)."""
