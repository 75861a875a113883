"""Demo mode: a sample district, a guide and a clock that can be advanced."""
