"""Import the models of every feature, so that `Base.metadata` is complete."""

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
import homevisits.visits.models
from homevisits.core.db import Base

metadata = Base.metadata
