"""Contract tests: our provider client and our fake Twilio against Twilio's OpenAPI description."""
