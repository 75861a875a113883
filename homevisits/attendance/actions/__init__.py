"""Actions on attendance: compute and store the report."""
