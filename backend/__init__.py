"""Restage's backend: learns the motion of clips and makes new clips with it."""
