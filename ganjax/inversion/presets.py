"""Presets: what an inversion does, as data."""

import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from ganjax.inversion import spaces
from ganjax.inversion.spaces import Space

if TYPE_CHECKING:
  import jax  # which the command line's help does without

# What becomes of the generator's noise maps.
#   'optimised': drawn from N(0, 1), optimised, brought back to unit variance after every step.
#   'free': from zero, optimised, as large as `noise_reg_weight` · mean(noise²) lets them grow.
#     Where a degradation hides detail they stay smooth; drawn noise would only be grain there.
#   'const': those that are stored with the weights.
#   'zero': not used.
NoiseMaps = Literal['optimised', 'free', 'const', 'zero']
NOISE_MAPS: tuple[NoiseMaps, ...] = get_args(NoiseMaps)

# 'adam', or 'normalised': a step of fixed length along every vector's gradient.
Optimiser = Literal['adam', 'normalised']
# How a synthesised image is compared with its target: at one scale, or at all down to 16 px.
Comparison = Literal['single', 'multiscale']
# How far a latent is from the average face: `latent_distances.Euclidean` or `Mahalanobis`.
LatentMetric = Literal['euclidean', 'mahalanobis']
# The pixel term. 'squares' is the mean squared difference itself; 'likelihood' a Gaussian negative
# log-likelihood with unknown variance, where the latent's distance is weighted by the number of
# latent coordinates over the degradation's effective rank (see `losses`): then neither weight
# depends on how noisy an image is, or how much of it is left.
Pixels = Literal['squares', 'likelihood']


BALANCED, DIAL = 0.5, 5.0  # of `Hyper.fidelity`


class Hyper(NamedTuple):
  """Hyperparameters that can differ from image to image; scalars, or [N] for a batch."""

  num_steps: 'jax.Array | int' = 1000
  learning_rate: 'jax.Array | float' = 0.1
  latent_dist_reg_weight: 'jax.Array | float' = 0.0
  noise_reg_weight: 'jax.Array | float' = 1e5
  pixel_weight: 'jax.Array | float' = 0.0
  w_noise: 'jax.Array | float' = 0.05  # in units of w_std
  # Windows that lower the loss by less than this share show that it has settled; 0: it never has.
  # See `schedules.Settling`.
  settled_within: 'jax.Array | float' = 0.0
  # From 0, the most face-like image, to 1, the closest to the input: a latent's distance from the
  # average face weighs `DIAL` times as much at 0 as here, and as little at 1.
  fidelity: 'jax.Array | float' = BALANCED


def check_fidelity(*values: float) -> None:
  """Raises ValueError where a value of `Hyper.fidelity` is not within 0 to 1."""
  for value in values:
    if not 0 <= value <= 1:
      raise ValueError(f'fidelity {value} is not within 0 to 1')


PUBLISHED = Hyper()  # Karras et al. 2020, appendix D


@dataclasses.dataclass(frozen=True)
class Phase:
  """A part of an inversion, in one latent space.

  Raises:
    ValueError: there is no space of that name.
  """

  space: Space  # or the name of one
  share: float = 1.0  # of num_steps
  rate: float = 1.0  # times learning_rate
  latent_weight: float = 1.0  # times latent_dist_reg_weight

  def __post_init__(self):
    object.__setattr__(self, 'space', spaces.by_name(self.space))


@dataclasses.dataclass(frozen=True)
class Tuning:
  """How the generator's weights are tuned around the latent that was found."""

  num_steps: int = 350
  learning_rate: float = 3e-4
  stop_at: float = 0.06  # perceptual distance


@dataclasses.dataclass(frozen=True)
class Preset:
  """What is the same for all images of a batch, and the defaults of what is not."""

  phases: tuple[Phase, ...] = (Phase(spaces.W()),)
  noise_maps: NoiseMaps = 'optimised'
  optimiser: Optimiser = 'adam'
  comparison: Comparison = 'single'
  pixels: Pixels = 'squares'
  latent_distance: LatentMetric = 'euclidean'
  adam_b1: float = 0.9
  adam_b2: float = 0.999
  lr_rampup: float = 0.05
  lr_rampdown: float = 0.25
  w_noise_ramp: float = 0.75
  hyper: Hyper = PUBLISHED
  tuning: Tuning | None = None
  begins_with_encoder: bool = True  # if the generator has one; else at the average face
  warm: 'Preset | None' = None  # what takes its place where it does, if it is another

  def beginning(self, encoder: bool) -> 'Preset':
    """The preset for searches that begin at an encoder's answer, or not."""
    return self.warm if encoder and self.warm is not None else self

  def within(self, space: Space | str, noise_maps: NoiseMaps) -> 'Preset':
    """The same in one phase, in another space, with other noise maps."""
    return dataclasses.replace(self, phases=(Phase(spaces.by_name(space)),), noise_maps=noise_maps)


# Karras et al. 2020, appendix D.
PROJECTOR = Preset()

# One set of numbers for all damage: the projector in W+, with a likelihood and a prior, and then in
# W++, where it finds what no latent of W+ has, as far as the degradation leaves anything of it. The
# prior is strong first, so that what is hidden becomes a face, and weak after, so that what the
# input shows is followed.
_ROBUST = Preset(
  phases=(
    Phase(spaces.WPlus(), 0.4),
    Phase(spaces.WPlusPlus(), 0.6, rate=0.5, latent_weight=0.05),
  ),
  noise_maps='free',
  pixels='likelihood',
  latent_distance='mahalanobis',
  hyper=PUBLISHED._replace(
    num_steps=100, pixel_weight=0.1, latent_dist_reg_weight=0.5, noise_reg_weight=0.05
  ),
)
# Where an encoder has found the pose and the light, W+ has less to do, and large steps would leave
# what it found; chosen on training photographs.
ROBUST = dataclasses.replace(
  _ROBUST,
  warm=dataclasses.replace(
    _ROBUST,
    phases=(
      dataclasses.replace(_ROBUST.phases[0], share=0.3),
      dataclasses.replace(_ROBUST.phases[1], share=0.7),
    ),
    hyper=_ROBUST.hyper._replace(learning_rate=0.05),
  ),
)

# Poirier-Ginter and Lalonde 2023: ever larger spaces, a rate that never falls, no regulariser.
ROBUST_PUBLISHED = Preset(
  phases=(
    Phase(spaces.W(), 1 / 3),
    Phase(spaces.WPlus(), 1 / 3, rate=0.02 / 0.08),
    Phase(spaces.WPlusPlus(), 1 / 3, rate=0.005 / 0.08),
  ),
  noise_maps='const',
  optimiser='normalised',
  comparison='multiscale',
  lr_rampup=0.0,
  lr_rampdown=0.0,
  hyper=Hyper(450, 0.08, noise_reg_weight=0.0, pixel_weight=0.1, w_noise=0.0),
  begins_with_encoder=False,
)

# Roich et al. 2021: a latent in W, where the generator is at its best, then the generator itself.
PIVOTAL = Preset(
  hyper=PUBLISHED._replace(num_steps=450, learning_rate=0.01),
  tuning=Tuning(),
  begins_with_encoder=False,
)

PRESETS: dict[str, Preset] = {
  'projector': PROJECTOR,
  'robust': ROBUST,
  'robust_published': ROBUST_PUBLISHED,
  'pivotal': PIVOTAL,
}
