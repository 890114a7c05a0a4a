"""Rollouts: how a version that passed the gate comes to answer, step by step, or is taken back."""
