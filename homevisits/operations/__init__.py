"""Staff pages about messaging: delivery, senders, quiet days, and the message templates.

The top feature package: it may read every other one, and nothing imports it.
"""
