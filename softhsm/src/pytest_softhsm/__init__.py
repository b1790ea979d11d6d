"""Real SoftHSM tokens for pytest."""
