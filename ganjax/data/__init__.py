"""Pictures in, results out: find the files, decode them, keep what came of them."""

from ganjax.data.claim import is_output
from ganjax.data.decode import ImageError, decode, decode_photo, decode_with_alpha, encode_png
from ganjax.data.jpeg import JpegCoding, jpeg_coding
from ganjax.data.latents import Latent, check_latents, find_latents
from ganjax.data.names import face_name
from ganjax.data.sources import Item, SourceError, find
from ganjax.data.store import Store, StoreError, read_results

__all__ = [
  'ImageError',
  'Item',
  'JpegCoding',
  'Latent',
  'SourceError',
  'Store',
  'StoreError',
  'check_latents',
  'decode',
  'decode_photo',
  'decode_with_alpha',
  'encode_png',
  'face_name',
  'find',
  'find_latents',
  'is_output',
  'jpeg_coding',
  'read_results',
]
