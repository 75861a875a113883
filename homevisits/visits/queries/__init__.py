"""Reads of visits: the facts and locks that actions need, and what the pages show."""
