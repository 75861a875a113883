"""Senders: selection, rate limit, circuit breaker and registration."""
