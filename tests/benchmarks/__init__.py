"""`make bench`: what the house costs, as ratios to a rival measured in the same run, process and database."""
