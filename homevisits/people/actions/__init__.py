"""Actions on people: record a training, opt in or out, set a reminder phone."""
