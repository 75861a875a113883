"""Text messaging: outbox, dispatch, providers, delivery reports and reconciliation.

Does not depend on people or visits.
"""
