"""What the conversation pages read: access conditions, the list, one conversation, its participants."""
