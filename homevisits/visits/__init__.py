"""Home visits: booking, answers, reports and reflections. Depends on invitations, availability, messages, people."""
