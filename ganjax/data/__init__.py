"""Pictures in, results out: find the files, decode them, keep what came of them."""

from ganjax.data.claim import is_output
from ganjax.data.decode import ImageError, decode, encode_png
from ganjax.data.source import Item, SourceError, face_name, find
from ganjax.data.store import Store, StoreError, read_results

__all__ = [
  'ImageError',
  'Item',
  'SourceError',
  'Store',
  'StoreError',
  'decode',
  'encode_png',
  'face_name',
  'find',
  'is_output',
  'read_results',
]
