"""StyleGAN2 face inversion and restoration in JAX."""
