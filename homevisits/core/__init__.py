"""Database, clock, settings, access rules, leases and logging. Depends on `policies` only."""
