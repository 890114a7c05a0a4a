"""Whether labels come as they should: as many, as soon, and meaning what they meant (M16)."""
