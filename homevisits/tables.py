"""Every table of the house, imported once: what `Base.metadata` must hold before it is compared or created."""

import homevisits.attendance.models
import homevisits.availability.models
import homevisits.calendars.models
import homevisits.core.leases
import homevisits.demographics.models
import homevisits.draws.models
import homevisits.inbox.models
import homevisits.invitations.models
import homevisits.messages.models
import homevisits.pay.models
import homevisits.people.models
import homevisits.visits.models  # noqa: F401 - imported for the tables they declare
from homevisits.core.db import Base

metadata = Base.metadata
"""The metadata of all features together."""
