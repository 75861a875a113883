"""When educators can visit: weekly hours, closures, commitments, search for times. Depends on `people` and below."""
