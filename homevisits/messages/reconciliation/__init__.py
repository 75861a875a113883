"""Compare delivery attempts with the message lists of the providers."""
