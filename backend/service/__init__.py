"""Running requests: job folders, the worker, and how the process talks."""
