"""What the latent tasks share: where faces start from, how they are drawn, who is asked."""

import dataclasses
import functools
import pathlib
from typing import NamedTuple

import jax
import numpy as np

from ganjax import data, editing, weights
from ganjax.choices import INIT_AVERAGE
from ganjax.data.latents import Latent
from ganjax.editing import rendering
from ganjax.editing.sampling import Space
from ganjax.report import Cell
from ganjax.tasks import restore
from ganjax.tasks.latent.latent_config import LatentConfig
from ganjax.tasks.restore_config import RestoreConfig
from ganjax.tasks.settings import ConfigError
from ganjax.training import attributes

NO_CLASSIFIER = 'none'


class Start(NamedTuple):
  """Where a face starts from."""

  name: str
  source: str
  space: Space
  point: np.ndarray  # of that space
  noise: dict[str, np.ndarray]  # empty for the maps that are stored with the weights


def load(config: LatentConfig) -> weights.Networks:
  """The generator.

  Raises:
    WeightsError: it draws by class, which these tasks cannot name.
  """
  networks = weights.load(config.weights, config.precision, init=INIT_AVERAGE)
  if networks.generator.config.c_dim:
    raise weights.WeightsError(
      f'{config.weights}: a conditional generator; --task={config.task} does not take classes yet'
    )
  return networks


def load_judge(config: LatentConfig, networks: weights.Networks) -> weights.Attribute | None:
  """The classifier, which has to know the generator's crop; None with --classifier=none.

  Without a flag and for a generator of another crop than the bundled one's there is none, either.
  """
  if config.classifier == NO_CLASSIFIER:
    return None
  attribute = weights.load_classifier(config.classifier)
  if config.classifier is None and not attribute.fits(networks.template):
    return None
  attribute.check(networks.template, config.classifier)
  return attribute


def check(config: LatentConfig, networks: weights.Networks) -> list[str]:
  """Looks at the input before anything is written; the names of its latents, if it has any.

  Raises:
    SourceError: the latents are broken or of another generator; nothing was found.
  """
  if config.inversion is None:
    return []
  latents = data.find_latents(config.input)
  if latents is None:
    data.find(config.input)
    return []
  own = networks.generator.config
  data.check_latents(latents, (own.num_ws, own.w_dim), networks.sha256)
  return [latent.name for latent in latents]


def starts(
  config: LatentConfig, networks: weights.Networks, space: Space | None = None
) -> tuple[list[Start], int]:
  """The faces of --seeds or --input, and how many photographs of it could not be inverted.

  Args:
    config: of the run.
    networks: the generator.
    space: that photographs are inverted into; None for --space.

  Raises:
    SourceError: the latents are broken or of another generator; nothing was found.
  """
  if config.inversion is None:
    z_dim = networks.generator.config.z_dim
    return [
      Start(f'seed{seed:04d}', f'seed {seed}', 'z', editing.seeded(seed, z_dim), {})
      for seed in config.seeds
    ], 0
  failures, latents = 0, data.find_latents(config.input)
  if latents is None:
    failures, latents = _inverted(config, config.inversion, space)
  own = networks.generator.config
  data.check_latents(latents, (own.num_ws, own.w_dim), networks.sha256)
  return [_start(latent) for latent in latents], failures


def _inverted(
  config: LatentConfig, inversion: RestoreConfig, space: Space | None
) -> tuple[int, list[Latent]]:
  """Inverts the photographs in a run of their own, below the output folder."""
  own = inversion if space is None else dataclasses.replace(inversion, space=space)  # type: ignore[arg-type]
  folder = pathlib.Path(config.output) / f'inverted_{own.space}'
  here = {'output': str(folder), 'overwrite': config.overwrite, 'batch_size': config.batch_size}
  failures = restore.run(dataclasses.replace(own, **here))  # type: ignore[arg-type]
  return failures, data.find_latents(str(folder)) or []


def _start(latent: Latent) -> Start:
  if len(latent.latent) == 1:
    return Start(latent.name, latent.source, 'w', latent.latent[0], latent.noise)
  return Start(latent.name, latent.source, 'w_plus', latent.latent, latent.noise)


def within(start: Start, space: Space, networks: weights.Networks, psi: float) -> np.ndarray:
  """A start's latent in a space; outwards only: from Z to W to W+.

  Raises:
    ConfigError: there is no way to that space.
  """
  order = editing.SPACES
  if order.index(space) < order.index(start.space):
    if space == 'z':
      raise ConfigError(f'{start.source}: has no latent in Z; walk from --seeds, or in W')
    raise ConfigError(f'{start.source}: a latent of W+, not of W; invert with --space=w')
  if space == start.space:
    return start.point
  ws = rows(start.point[None], start.space, networks, psi)[0]
  return ws if space == 'w_plus' else ws[0]


def rows(points: np.ndarray, space: Space, networks: weights.Networks, psi: float) -> np.ndarray:
  """Rows of W+ of latents: [N, …] -> [N, num_ws, w_dim]."""
  return np.asarray(_rows(networks.generator, points, np.float32(psi), space))


@functools.partial(jax.jit, static_argnums=3)
def _rows(generator, points, psi, space):
  return jax.vmap(lambda point: editing.rows(generator, point, psi, space=space))(points)


class AttributeScorer(NamedTuple):
  """Asks a classifier about pictures."""

  attribute: weights.Attribute

  @property
  def at(self) -> int:
    return self.attribute.classes.index(self.attribute.target)

  def scores(self, pictures: np.ndarray) -> np.ndarray:
    """The target's log odds [N] in uint8 pictures [N, H, W, 3]."""
    return self.of_logits(
      attributes.logits_of(self.attribute.classifier, pictures, rendering.BLOCK)
    )

  def of_logits(self, logits: np.ndarray) -> np.ndarray:
    """The target's log odds [N] from logits [N, num_classes]."""
    return attributes.log_odds(logits, self.at)

  def caption(self, score: float) -> str:
    """'under21 83 %': the likelier answer."""
    share = 1 / (1 + np.exp(-score))
    if score > 0:
      return f'{self.attribute.target} {share:.0%}'
    others = [name for name in self.attribute.classes if name != self.attribute.target]
    return f'{others[0] if len(others) == 1 else "other"} {1 - share:.0%}'


def cells(
  pictures: np.ndarray, scores: np.ndarray | None, judge: AttributeScorer | None, mark: int = -1
) -> list[Cell]:
  """Pictures with the answers below; number `mark` gets a frame."""
  captions = ['' for _ in pictures]
  if judge is not None and scores is not None:
    captions = [judge.caption(float(score)) for score in scores]
  return [
    Cell(picture, caption, i == mark)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True))
  ]
