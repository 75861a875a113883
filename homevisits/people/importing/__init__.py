"""Import of OneRoster rosters and of the district's supplement."""
