"""Fixtures of the inbox tests."""

from tests.factories.large_school import large_school

__all__ = ["large_school"]
