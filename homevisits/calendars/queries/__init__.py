"""Reads for calendar feeds."""
