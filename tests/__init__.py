"""Tests of Homevisits. Every test and every process that a test starts knows the message types."""

import homevisits.all_messages  # noqa: F401 - registers the message types
