"""Numerical operations of the networks and their training, in the forms that platforms run fast."""
