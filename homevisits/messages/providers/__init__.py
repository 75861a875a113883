"""Provider interface and its implementations: Twilio, Kannel and the console."""
