"""Training runs: the user's own function, in a process of its own, on a snapshot (N5 O10)."""
