"""Reads for the demo pages."""
