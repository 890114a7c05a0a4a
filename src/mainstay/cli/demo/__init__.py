"""The demonstration: a small world, a model of it, traffic, and what happened, told shortly."""
