"""Shared foundations: database, clock, settings, access rules, leases, logging. Depends on `policies` only."""
