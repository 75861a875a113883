"""Our calls and our own fake, held to Twilio's description of itself by tools that are not ours."""
