"""The Today page: open tasks of a coordinator."""
