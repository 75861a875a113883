"""Conversations with families: list, detail, replies and staff decisions."""
