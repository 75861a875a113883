"""Incoming messages, conversations with families, and the Today page."""
