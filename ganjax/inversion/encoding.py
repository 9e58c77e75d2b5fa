"""Where an encoder has inversions begin: near the latent that explains an image, in one pass."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ganjax.degradations import Operator, Pipeline, description, parse
from ganjax.models.encoder import Encoded, Encoder, observation
from ganjax.runtime.kept import keep
from ganjax.weights import Networks, WeightsError


def encode(
  networks: Networks, photo: Float[Array, 'h w 3'], degradation: str | Operator = 'identity()'
) -> Float[Array, 'num_ws w_dim']:
  """A face's latent, in one pass through the encoder of its generator.

  For one image; `jax.vmap` it over photos, and over the parameters of a degradation.

  Args:
    networks: from `ganjax.load`, with an encoder.
    photo: an aligned face in [-1, 1], as the degradation gives it.
    degradation: what happened to it, an operator or its spec; '?' where a parameter is not known.

  Returns:
    Rows of W+.

  Raises:
    WeightsError: there is no encoder for these networks.
    DegradationError: the spec cannot be read.
    ValueError: the photo has not the size that the degradation gives.
  """
  if networks.encoder is None:
    raise WeightsError(
      'there is no encoder for these weights: train one with --task=train_encoder, and load it: '
      "ganjax.load(weights, init='encoder.safetensors')"
    )
  pipeline = parse(degradation) if isinstance(degradation, str) else Pipeline.of(degradation)
  side = networks.resolution
  pipeline = pipeline.cropped(photo.shape[1]) if pipeline.follows_crop else pipeline
  if photo.shape[:2] != (expected := pipeline.output_shape(side, side)):
    raise ValueError(f'the photo is {photo.shape}, but {pipeline} gives {expected}')
  if not isinstance(photo, jax.core.Tracer):  # what only the picture itself tells
    pixels = pipeline.projected(np.asarray(photo))
    photo, pipeline = jnp.asarray(pixels), pipeline.observed(pixels)
  visible = pipeline.visible(*photo.shape[:2])
  return _encoded(networks.encoder, networks.resolution, photo, visible, pipeline)[0]


@keep(static_argnums=(1,))
def _encoded(
  encoder: Encoder, resolution: int, photo: jax.Array, visible: jax.Array, degradation: Pipeline
) -> tuple[jax.Array, Encoded]:
  """(rows of W+, the encoder's answer) for one degraded image."""
  told = description.described(degradation, resolution, resolution)
  values = description.vector(told, encoder.config.told)
  answer = encoder(observation(photo, visible, values, encoder.config.side))
  return encoder.latent(answer.rows), answer


def first_start(
  encoder: Encoder, resolution: int, photo: jax.Array, visible: jax.Array, degradation: Pipeline
) -> Float[Array, 'num_ws w_dim']:
  """The most likely rows of W+.

  Args:
    encoder: of the generator.
    resolution: of the generator's images, px.
    photo: [h, w, 3] in [-1, 1], degraded.
    visible: [h, w, 1]; 0 in holes.
    degradation: what happened.
  """
  return _encoded(encoder, resolution, photo, visible, degradation)[0]


@keep(static_argnums=(1,))
def drawn_start(
  encoder: Encoder,
  resolution: int,
  photo: jax.Array,
  visible: jax.Array,
  degradation: Pipeline,
  key: Key[Array, ''],
) -> Float[Array, 'num_ws w_dim']:
  """Rows drawn from what the encoder takes for possible; arguments as in `first_start`.

  What a face shares, all rows share: half of the variance is drawn once for all of them.
  """
  _, answer = _encoded(encoder, resolution, photo, visible, degradation)
  common, own = jax.random.split(key)
  noise = jax.random.normal(common, answer.rows.shape[1:])[None]
  noise += jax.random.normal(own, answer.rows.shape)
  deviation = jnp.exp(answer.log_deviation)[:, None]
  return encoder.latent(answer.rows + 0.5**0.5 * deviation * noise)
