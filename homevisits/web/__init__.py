"""Shared web code: request context, access control, navigation, formats and error pages."""
