"""Tasks that train networks: StyleGAN2, pix2pix."""
