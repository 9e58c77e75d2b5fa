"""One result as TFDS stores it: a tf.train.Example, written and read without TensorFlow."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ganjax import data, inversion
from ganjax.bulk.prefetch import Face
from ganjax.runtime import extras


def features(
  prior: inversion.Prior,
  preset: inversion.Preset,
  pictures: Sequence[str],
  metrics: Sequence[str],
  with_noise: bool,
) -> Any:
  """The tfds.features.FeaturesDict of a data set of results.

  Args:
    prior: networks and statistics.
    preset: its last phase decides the latents' shape.
    pictures: what each result's pictures are called, all of the generator's resolution.
    metrics: what its figures are called.
    with_noise: whether the noise maps are kept.
  """
  with extras.needs('bulk'):
    import tensorflow_datasets as tfds  # takes a second, which other tasks need not wait

  kinds = tfds.features
  config = prior.generator.config
  space = preset.phases[-1].space
  latent = jax.eval_shape(lambda w: space.enter(w, config), prior.w_avg)
  shape = (config.resolution, config.resolution, 3)
  entries = {
    'index': np.int64,
    'name': kinds.Text(),
    'source': kinds.Text(),
    'config_hash': kinds.Text(),
    'latent': kinds.Tensor(shape=latent.shape, dtype=np.float32),
    'quad': kinds.Tensor(shape=(4, 2), dtype=np.float32),
    'num_steps': np.int32,
    'settled_at': np.int32,
    'metrics': {name: np.float32 for name in metrics},
    **{name: kinds.Image(shape=shape, encoding_format='png') for name in pictures},
  }
  if with_noise:
    entries['noise'] = {
      name: kinds.Tensor(shape=noise.shape, dtype=np.float32)
      for name, noise in prior.generator.synthesis.noise_const().items()
    }
  return kinds.FeaturesDict(entries)


def example(
  features: Any,
  face: Face,
  pictures: dict[str, np.ndarray],
  restoration: inversion.Restoration,
  metrics: dict[str, float],
  config_hash: str,
) -> bytes:
  """Serialises one result.

  Args:
    features: what `features` gave.
    face: whose result it is.
    pictures: uint8 [side, side, 3]; those that the data set does not keep are left out.
    restoration: of this face alone.
    metrics: those that are known; the others become NaN.
    config_hash: of the configuration that made it.
  """
  from tensorflow_datasets.proto import tf_example_pb2

  values: dict[str, Any] = {
    'index': face.entry.index,
    # A file's name need not be UTF-8; TFDS's texts are.
    'name': face.name.encode(errors='replace'),
    'source': face.entry.source.encode(errors='replace'),
    'config_hash': config_hash,
    'latent': np.asarray(restoration.latent, np.float32),
    'quad': np.asarray(face.crop.quad, np.float32),
    'num_steps': int(restoration.num_steps),
    'settled_at': int(restoration.settled_at),
    'metrics': {name: metrics.get(name, float('nan')) for name in features['metrics']},
    **{name: data.encode_png(picture) for name, picture in pictures.items() if name in features},
  }
  if 'noise' in features:
    values['noise'] = {k: np.asarray(v, np.float32) for k, v in restoration.noise.items()}
  # Once more, since protocol buffers write maps in any order, and equal results shall be equal.
  made = tf_example_pb2.Example.FromString(features.serialize_example(values))
  return made.SerializeToString(deterministic=True)
