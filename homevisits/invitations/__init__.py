"""Invitations of families and the consent ledger. Depends on draws, messages, people and practices."""
