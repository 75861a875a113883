"""Schools, families, caregivers, students, educators, training, accounts and roster import. Above `messages`."""
