"""The quarter, for every test here."""

from tests.quarter import quarter

__all__ = ["quarter"]
