"""Reports on visits, pay and families: the tally for the union and the overview for the district.

Reads the tables of `invitations`, `people`, `visits` and `pay`; writes nothing.
"""
