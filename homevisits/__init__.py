"""Homevisits: relational home visits, shared by a district, its teachers' union and its families.

This module imports nothing, so that the five practices load without Flask.
"""

__version__ = "0.1.0"
