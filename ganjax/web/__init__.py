"""The local web page: what visitors do (`session`, `restorer`, `latents`), and widgets (`page`)."""
