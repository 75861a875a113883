"""Pay for completed visits: pay rules, pay lines, two-step approval, and payroll files.

Depends on `people` and `visits`, which do not know it. The rules and the calculation are in `rules`.
"""
