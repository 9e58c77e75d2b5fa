"""Training of image-to-image networks with an adversary (pix2pix, Isola et al. 2017)."""
