"""Presets: what an inversion does and how its rate and noise go, as data."""

import dataclasses
from typing import Literal, NamedTuple, get_args

import jax

from ganjax.inversion.spaces import Space

# What becomes of the generator's noise maps.
#   'optimised': drawn from N(0, 1), optimised, brought back to unit variance after every step.
#   'free': from zero, optimised, as large as `noise_reg_weight` · mean(noise²) lets them grow.
#     Where a degradation hides detail they stay smooth; drawn noise would only be grain there.
#   'zero': not used.
NoiseMaps = Literal['optimised', 'free', 'zero']
NOISE_MAPS: tuple[NoiseMaps, ...] = get_args(NoiseMaps)


class Hyper(NamedTuple):
  """Hyperparameters that can differ from image to image; scalars, or [N] for a batch."""

  num_steps: jax.Array | int = 1000
  learning_rate: jax.Array | float = 0.1
  latent_dist_reg_weight: jax.Array | float = 0.0
  noise_reg_weight: jax.Array | float = 1e5
  pixel_weight: jax.Array | float = 0.0
  w_noise: jax.Array | float = 0.05  # in units of w_std


@dataclasses.dataclass(frozen=True)
class Preset:
  """What is the same for all images of a batch."""

  space: Space = 'w'
  noise_maps: NoiseMaps = 'optimised'
  adam_b1: float = 0.9
  adam_b2: float = 0.999
  lr_rampup: float = 0.05
  lr_rampdown: float = 0.25
  w_noise_ramp: float = 0.75


# Karras et al. 2020, appendix D, with `Hyper`'s defaults.
PROJECTOR = Preset()

PRESETS: dict[str, Preset] = {'projector': PROJECTOR}
