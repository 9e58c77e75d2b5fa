"""Training of StyleGAN2 with adaptive augmentation (StyleGAN2-ADA)."""
