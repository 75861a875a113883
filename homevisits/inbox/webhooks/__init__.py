"""Provider webhooks for incoming messages."""
