"""Visits, read: `gathering` the facts an action judges; `families`, `days` and `visit` for the pages."""
