"""Webhooks in which providers report the delivery status of messages."""
