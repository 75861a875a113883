"""Dated policy profiles: what a district may decide. Pure; depends on no other package."""
