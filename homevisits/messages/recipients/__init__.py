"""Who may receive messages: opt-outs, quiet days and the trial allowlist."""
