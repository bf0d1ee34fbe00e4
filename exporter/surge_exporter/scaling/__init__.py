"""Which model a host can afford: pure decisions over samples, tiers, telemetry and time."""
