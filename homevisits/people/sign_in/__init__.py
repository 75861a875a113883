"""Signing in: attempts, sessions, and forms kept while a person signs in again."""
