"""`python -m homevisits`: the command, also in a checkout that is not installed."""

from homevisits.cli.main import main

main(prog_name="homevisits")
