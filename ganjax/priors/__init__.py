"""Priors that need no trained weights."""
