"""Adaptive discriminator augmentation (Karras et al. 2020, "Training generative adversarial
networks with limited data"): what the discriminator sees, real or generated, is changed at random
with probability p per change, and p follows how far the discriminator overfits.

The changes are those that the paper found to help: pixel blitting (mirroring, quarter turns,
whole shifts), geometry (scale, rotation, stretch, fractional shift) and colour (brightness,
contrast, luma flip, hue, saturation). Written for one image.
"""

import jax
import jax.numpy as jnp

from ganjax.ops.warp import warp

# Standard deviations and ranges of the paper's appendix B.
WHOLE_SHIFT = 0.125  # of the side, uniform
SCALE, STRETCH = 0.2, 0.2  # of log2
SHIFT = 0.125  # of the side
BRIGHTNESS = 0.2
CONTRAST, SATURATION = 0.5, 1.0  # of log2

# The controller (section 3).
TARGET = 0.6  # of r_t, the mean sign of the discriminator's logits on photographs
INTERVAL = 4  # steps between two decisions
RISE = 500_000  # pictures in which p may go from 0 to 1


def augment(key: jax.Array, image: jax.Array, probability: jax.Array) -> jax.Array:
  """One image [N, N, 3] in [-1, 1], each change made with the given probability in [0, 1].

  Differentiable in the image, as often as one likes. At probability 0 the image comes out as it
  is, bit by bit.
  """
  geometry, colour = jax.random.split(key)
  matrix, shift = draw_geometry(geometry, probability, image.shape[0])
  mix, offset = draw_colour(colour, probability)
  image = warp(image, matrix, shift)
  channels = [
    sum((image[..., j] * mix[i, j] for j in (1, 2)), start=image[..., 0] * mix[i, 0]) + offset[i]
    for i in range(3)
  ]
  return jnp.stack(channels, axis=-1)


def draw_geometry(key: jax.Array, probability: jax.Array, side: int) -> tuple[jax.Array, jax.Array]:
  """Where each pixel comes from: (matrix [2, 2], shift [2]) for `warp`, in px."""
  keys = jax.random.split(key)
  chances = jax.random.uniform(keys[0], (13,))
  normals = jax.random.normal(keys[1], (4,))
  # Two rotations, about the stretch, of which at least one happens with the given probability.
  turn_chance = 1.0 - jnp.sqrt(1.0 - jnp.clip(probability, 0.0, 1.0))
  happens = chances[:6] < probability
  turns = chances[6:8] < turn_chance
  uniform = 2.0 * chances[8:] - 1.0  # [5], in [-1, 1]

  mirror = jnp.where(happens[0] & (uniform[0] < 0.0), -1.0, 1.0)
  # Mirrored or not is one half of `uniform[0]`; where in its half it lies is still free.
  quarters = jnp.where(happens[1], jnp.floor(4.0 * (uniform[0] % 1.0)), 0.0)
  whole = jnp.where(happens[2], jnp.round(uniform[1:3] * (WHOLE_SHIFT * side)), 0.0)
  scale = jnp.where(happens[3], jnp.exp2(SCALE * normals[0]), 1.0)
  before, after = jnp.where(turns, jnp.pi * uniform[3:], 0.0)
  stretch = jnp.where(happens[4], jnp.exp2(STRETCH * normals[1]), 1.0)
  shift = jnp.where(happens[5], normals[2:] * (SHIFT * side), 0.0)

  # The picture is mirrored first and shifted last; the way back begins with the shift.
  inner = _diagonal(mirror, 1.0) @ _quarter_turn(quarters)
  outer = _diagonal(scale, scale) @ _turn(before) @ _diagonal(stretch, 1.0 / stretch)
  outer = outer @ _turn(after)
  return inner @ outer, -inner @ (whole + outer @ shift)


def draw_colour(key: jax.Array, probability: jax.Array) -> tuple[jax.Array, jax.Array]:
  """(mix [3, 3], offset [3]): a pixel becomes mix · pixel + offset."""
  keys = jax.random.split(key)
  chances = jax.random.uniform(keys[0], (7,))
  normals = jax.random.normal(keys[1], (3,))
  happens = chances[:5] < probability
  brightness = jnp.where(happens[0], BRIGHTNESS * normals[0], 0.0)
  contrast = jnp.where(happens[1], jnp.exp2(CONTRAST * normals[1]), 1.0)
  flip = happens[2] & (chances[5] < 0.5)
  hue = jnp.where(happens[3], jnp.pi * (2.0 * chances[6] - 1.0), 0.0)
  saturation = jnp.where(happens[4], jnp.exp2(SATURATION * normals[2]), 1.0)

  # Grey is a third in each channel; the rest of a colour turns about it and grows with saturation.
  grey = jnp.full((3, 3), 1.0 / 3.0)
  identity = jnp.eye(3)
  cross = jnp.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3.0**0.5
  rest = saturation * (jnp.cos(hue) * (identity - grey) + jnp.sin(hue) * cross)
  mix = contrast * (jnp.where(flip, -1.0, 1.0) * grey + rest)
  unchanged = (hue == 0.0) & (saturation == 1.0) & ~flip
  mix = jnp.where(unchanged, contrast * identity, mix)  # not a third three times, which rounds
  return mix, mix @ jnp.full((3,), brightness)


def adjusted(
  probability: jax.Array,
  mean_sign: jax.Array,
  pictures: int,
  target: float = TARGET,
  rise: int = RISE,
) -> jax.Array:
  """The next p: up where the discriminator is surer of photographs than `target`, else down.

  Args:
    probability: now.
    mean_sign: r_t, of the logits on photographs since the last decision.
    pictures: how many were shown since then.
    target: of r_t.
    rise: pictures in which the probability may go from 0 to 1.
  """
  move = jnp.sign(mean_sign - target) * (pictures / rise)
  return jnp.clip(probability + move, 0.0, 1.0)


def _diagonal(x, y) -> jax.Array:
  return jnp.diag(jnp.stack([jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)]))


def _turn(angle: jax.Array) -> jax.Array:
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  return jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])])


def _quarter_turn(quarters: jax.Array) -> jax.Array:
  """`_turn` by a whole number of quarters, exactly."""
  turns = jnp.array([[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]])
  return turns.astype(jnp.float32)[quarters.astype(jnp.int32)]
