"""Mainstay: the runtime that machine-learning models live in once they are in production."""
