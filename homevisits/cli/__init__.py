"""The command-line interface `homevisits`. May use every feature; nothing imports it.

Heavy modules are imported inside the commands, so that `--help` stays fast.
"""
