"""School attendance: import of the district's files, and a report on visited students and all others.

Depends on `people` and `visits` (and on `demographics` for the rule on small numbers); writes its own tables only.
"""
