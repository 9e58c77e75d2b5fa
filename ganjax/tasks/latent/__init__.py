"""Tasks on latents: interpolate, traverse, find directions, classify what is generated."""
