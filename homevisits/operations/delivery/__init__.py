"""The delivery page: the results of recent messages, and failed messages that need a decision.

`queries`, `costs` and `reachability` read the database,
`failed` also writes. `chart`, `health` and `export` are calculations.
"""
