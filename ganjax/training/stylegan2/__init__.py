"""Training of StyleGAN2 with adaptive augmentation (Karras et al. 2020, StyleGAN2-ADA)."""
