"""The gate: what a candidate must show against the version that its route serves now.

Evidence is gathered by running both versions over the candidate's own confidence set; each check
is a pure function of the evidence; the verdict is a stored object that never changes.
"""
