"""Private calendar feeds of educators' visits. Depends on `visits` and below."""
