"""Alerts, metrics and queries on message delivery."""
