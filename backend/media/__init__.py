"""Pixels and measured motion: movie files, clips as arrays, tracks, contact sheets. No model is used here."""
