"""Routes: which version answers for a model. The only thing in Mainstay that changes."""
