"""Image-to-image translation with conditional adversarial networks (pix2pix, Isola et al. 2017)."""
