"""One result as TFDS stores it: a tf.train.Example, written and read without TensorFlow."""

from collections.abc import Collection
from typing import Any

import jax
import numpy as np

from ganjax import data, inversion, metrics
from ganjax.restoration.result import Result
from ganjax.runtime import extras

# A result's images -> the features of the data set that hold them.
IMAGES = {'restored': 'image', 'completed': 'completed'}


def features(
  prior: inversion.Prior,
  preset: inversion.Preset,
  kinds: Collection[str],
  with_images: bool,
  with_noise: bool,
) -> Any:
  """The tfds.features.FeaturesDict of a data set of results.

  Args:
    prior: networks and statistics.
    preset: its last phase decides the latents' shape.
    kinds: of `IMAGES`, what each result has beside its input.
    with_images: whether they are kept.
    with_noise: whether the noise maps are kept.
  """
  with extras.needs('bulk'):
    import tensorflow_datasets as tfds  # takes a second, which other tasks need not wait

  types = tfds.features
  config = prior.generator.config
  space = preset.phases[-1].space
  latent = jax.eval_shape(lambda w: space.enter(w, config), prior.w_avg)
  shape = (config.resolution, config.resolution, 3)
  entries = {
    'index': np.int64,
    'name': types.Text(),
    'source': types.Text(),
    'config_hash': types.Text(),
    'latent': types.Tensor(shape=latent.shape, dtype=np.float32),
    'quad': types.Tensor(shape=(4, 2), dtype=np.float32),
    'num_steps': np.int32,
    'settled_at': np.int32,
    'metrics': {name: np.float32 for name in (*metrics.names(kinds), 'loss')},
  }
  if with_images:
    image = types.Image(shape=shape, encoding_format='png')
    entries |= {IMAGES[kind]: image for kind in kinds}
  if with_noise:
    entries['noise'] = {
      name: types.Tensor(shape=noise.shape, dtype=np.float32)
      for name, noise in prior.generator.synthesis.noise_const().items()
    }
  return types.FeaturesDict(entries)


def example(features: Any, index: int, result: Result, config_hash: str) -> bytes:
  """Serialises one result; its images that the data set does not keep are left out.

  Args:
    features: what `features` gave.
    index: of the photo in the data set.
    result: of one face. Figures that it lacks become NaN.
    config_hash: of the configuration that made it.
  """
  from tensorflow_datasets.proto import tf_example_pb2

  found = result.restoration
  assert found is not None
  figures = {**(result.metrics or {}), 'loss': float(found.loss[-1])}
  images = {name: result.images[kind] for kind, name in IMAGES.items() if name in features}
  values: dict[str, Any] = {
    'index': index,
    # A file's name need not be UTF-8; TFDS's texts are.
    'name': result.name.encode(errors='replace'),
    'source': result.source.encode(errors='replace'),
    'config_hash': config_hash,
    'latent': np.asarray(found.latent, np.float32),
    'quad': np.asarray(result.quad, np.float32),
    'num_steps': int(found.num_steps),
    'settled_at': int(found.settled_at),
    'metrics': {name: figures.get(name, float('nan')) for name in features['metrics']},
    **{name: data.encode_png(image) for name, image in images.items()},
  }
  if 'noise' in features:
    values['noise'] = {k: np.asarray(v, np.float32) for k, v in found.noise.items()}
  # Once more, since protocol buffers write maps in any order, and equal results shall be equal.
  made = tf_example_pb2.Example.FromString(features.serialize_example(values))
  return made.SerializeToString(deterministic=True)
