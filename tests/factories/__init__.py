"""Schools with people, classes and families, written directly to the tables for tests of every feature."""
