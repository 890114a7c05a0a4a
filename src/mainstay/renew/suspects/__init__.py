"""Which of the data that is new made a model worse (N11)."""
