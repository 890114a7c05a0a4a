"""Going back to before bad data: what a recall finds, shows, does, and can take back (N2 L6)."""
