"""Choices: who went back to the version before, while they still may."""
