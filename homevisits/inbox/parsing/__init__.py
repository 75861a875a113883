"""Pure classification of incoming message text. Depends on no database."""
