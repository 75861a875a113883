"""Draws of families to invite: run, record and verify a draw. Depends on `people` and below."""
