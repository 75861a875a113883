"""Read queries of the conversation pages: access conditions, list, detail, participants."""
