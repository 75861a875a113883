"""Pages about visits. Importing the package registers the routes of every module on `bp`."""

from homevisits.visits.web import after_visit, booking, educator_opt_out, my_day, office, reminder_phone, visit  # noqa: F401 - routes
from homevisits.visits.web.blueprint import bp as bp
