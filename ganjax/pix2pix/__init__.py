"""Applying pix2pix: holes and other conditions in, completed images and their scores out."""
