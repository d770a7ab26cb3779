"""Measured figures: what the way things are done here gains against the plain way, run beside it."""
