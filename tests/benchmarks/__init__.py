"""`make bench`: run time of the application as ratios to a rival that is measured in the same run."""
