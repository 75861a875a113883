"""Claim due messages, send them through a provider and record the results."""
