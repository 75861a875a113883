"""Student traits, kept apart and only readable as aggregates. Depends on `people` and below."""
