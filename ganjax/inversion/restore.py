"""The front function: a batch of photographs in, restorations out."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.degradations import Pipeline
from ganjax.inversion import batch, engine, parallel, spaces
from ganjax.inversion.perceptual import DiscriminatorDistance, LPIPSDistance, Perceptual
from ganjax.inversion.presets import PRESETS, Hyper, Preset
from ganjax.models.vgg16 import LPIPS
from ganjax.weights import Networks, WeightsError


def prior(networks: Networks, lpips: LPIPS | None = None) -> engine.Prior:
  """What all images share; computing it once saves a second for every further batch.

  Args:
    networks: from `ganjax.load`.
    lpips: from `ganjax.load_lpips`; None compares by the networks' own discriminator.

  Raises:
    WeightsError: neither LPIPS nor a discriminator is there to compare with.
  """
  perceptual: Perceptual
  if lpips is not None:
    perceptual = LPIPSDistance(lpips)
  elif networks.discriminator is not None:
    perceptual = DiscriminatorDistance(networks.discriminator)
  else:
    raise WeightsError(
      'these weights hold no discriminator to compare pictures by: give VGG16 weights '
      '(--perceptual=vgg16.safetensors, made by `python -m ports.vgg16`)'
    )
  return engine.Prior(networks.generator, perceptual, *spaces.statistics(networks.generator))


def restore(
  networks: Networks | engine.Prior,
  photos: np.ndarray,
  degradation: Pipeline | Sequence[Pipeline],
  names: Sequence[str] | None = None,
  preset: str | Preset = 'projector',
  seed: int = 0,
  on_progress: Callable[[batch.Progress], None] | None = None,
  chunk_steps: int = batch.CHUNK_STEPS,
  **hyper,
) -> batch.Restoration:
  """Finds faces that look like the photographs once they are degraded in the same way.

  Args:
    networks: from `ganjax.load`, or a `prior` of them.
    photos: [N, h, w, 3] in [-1, 1], already degraded, of the size that the degradation gives.
    degradation: what happened to them; one for all, or one each.
    names: one each; an image's randomness depends on its name and `seed` alone, so that its
      result is the same in any batch. Defaults to '0', '1', ….
    preset: a preset's name, or a `Preset`; it has the defaults of all hyperparameters.
    seed: for all randomness.
    on_progress: called after every chunk of steps.
    chunk_steps: the length of a chunk.
    **hyper: fields of `Hyper`: num_steps, learning_rate, latent_dist_reg_weight, …; one value for
      all, or one each.

  Returns:
    A `Restoration` whose leaves lead with [N].

  Raises:
    ValueError: sizes, counts or names do not go together, or a hyperparameter is unknown.
  """
  shared = prior(networks) if isinstance(networks, Networks) else networks
  count = len(photos)
  names = [str(i) for i in range(count)] if names is None else list(names)
  degradations = [degradation] * count if isinstance(degradation, Pipeline) else list(degradation)
  if not count or not len(names) == len(degradations) == count:
    raise ValueError(f'{count} photos, {len(names)} names, {len(degradations)} degradations')
  preset = PRESETS[preset] if isinstance(preset, str) else preset
  problems = [
    problem(shared, photo, degradations[i], names[i], seed, _pick(preset.hyper, hyper, i, count))
    for i, photo in enumerate(photos)
  ]
  return batch.run(shared, preset, parallel.stack(problems), on_progress, chunk_steps)


def sampled(degradation: Pipeline, name: str, seed: int) -> tuple[Pipeline, jax.Array]:
  """Draws what is random in a degradation; for the same seed and name always the same.

  Returns:
    The degradation, and the key for its true form.
  """
  sample_key, true_key = degradation_keys(name, seed)
  return degradation.sample(sample_key), true_key


def degradation_keys(name: str, seed: int) -> tuple[jax.Array, jax.Array]:
  """An image's keys for `sample` and for `true`."""
  sample_key, true_key = jax.random.split(jax.random.fold_in(engine.image_key(seed, name), 2))
  return sample_key, true_key


def problem(
  prior: engine.Prior,
  photo: np.ndarray,
  degradation: Pipeline,
  name: str,
  seed: int,
  hyper: Hyper,
) -> engine.Problem:
  """Sets up one image for the engine.

  Raises:
    ValueError: the photo has not the size that the degradation gives to the generator's picture.
  """
  side = prior.generator.config.resolution
  degradation.check(side, side)
  expected = (*degradation.output_shape(side, side), 3)
  if photo.shape != expected:
    raise ValueError(f'{name}: the photo is {photo.shape}, but {degradation} gives {expected}')
  degradation = degradation.observed(photo)
  floats = {name: jnp.float32(value) for name, value in hyper._asdict().items()}
  return engine.Problem(
    target=jnp.asarray(photo, jnp.float32),
    visible=degradation.visible(*expected[:2]),
    degradation=degradation,
    hyper=Hyper(**{**floats, 'num_steps': jnp.int32(hyper.num_steps)}),
    key=engine.image_key(seed, name),
    start=prior.w_avg,
  )


def _pick(defaults: Hyper, hyper: dict, i: int, count: int) -> Hyper:
  """Image i's hyperparameters from values that hold for all or are given one each."""
  unknown = hyper.keys() - set(Hyper._fields)
  if unknown:
    raise ValueError(f'unknown {sorted(unknown)}; known are {list(Hyper._fields)}')
  for name, value in hyper.items():
    if np.ndim(value) and np.shape(value) != (count,):
      raise ValueError(f'{name} has shape {np.shape(value)} for {count} photos')
  return defaults._replace(**{k: np.asarray(v)[i] if np.ndim(v) else v for k, v in hyper.items()})
