"""Answering anew what a bad version answered: those decisions only, each once (L6 N2)."""
