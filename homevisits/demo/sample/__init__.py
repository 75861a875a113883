"""Generator of the sample district: roster, attendance and history of visits."""
