"""Training of encoders on a generator's own samples, degraded in every way, and on photographs."""
