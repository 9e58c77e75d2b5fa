"""Deep prior: restores any picture with an untrained network."""

import dataclasses
import itertools
import pathlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from PIL import Image

from ganjax import data, degradations, metrics, report
from ganjax.data.pixels import to_bytes, to_float
from ganjax.inversion import image_key
from ganjax.models.deep_prior import PAPER, DeepPriorConfig, plain
from ganjax.priors import deep_prior
from ganjax.tasks import console
from ganjax.tasks.config import FLAGS, Config, ConfigError, read, require_input

TASKS = ('deep_prior',)

SMALLEST_SIDE = 32  # px
DEFAULTS = {
  'degradation': 'noise(sigma=0.098)',  # 25 / 255
  'num_steps': 1500,
  'learning_rate': 0.01,
}


@dataclasses.dataclass(frozen=True)
class DeepPriorTaskConfig(Config):
  """One run of `deep_prior`."""

  input: str
  degradation: str
  already_degraded: bool
  network: str
  prior_loss: deep_prior.Loss
  input_noise: float
  perturbation: float
  averaging: float
  early_stopping: bool
  max_side: int
  num_steps: int
  learning_rate: float
  seed: int
  batch_size: int
  save_every: int


class Damaged(NamedTuple):
  """A picture and what the network gets to see of it."""

  item: data.Item
  degradation: degradations.Pipeline
  target: np.ndarray  # [h, w, 3] in [-1, 1]
  truth: np.ndarray | None  # uint8 [H, W, 3]
  height: int
  width: int


def define_flags() -> None:
  """Declares the flags of `deep_prior`."""
  flags.DEFINE_string(
    'network',
    'paper',
    "deep_prior: 'paper' (five levels with skip connections), or DEPTH-single, DEPTH-double for "
    "one or two convolutions a level, such as 2-double; '-skip' adds skip connections.",
  )
  flags.DEFINE_enum('prior_loss', 'l2', deep_prior.LOSSES, 'deep_prior: what is minimised.')
  flags.DEFINE_float('input_noise', 0.1, "deep_prior: σ of the network's fixed random input.")
  flags.DEFINE_float('perturbation', 1 / 30, 'deep_prior: σ of what is added to it at each step.')
  flags.DEFINE_float('averaging', 0.99, 'deep_prior: of the running mean of outputs; 0 for none.')
  flags.DEFINE_bool(
    'early_stopping',
    False,
    'deep_prior: take the picture at which the outputs vary least, not the last one.',
  )
  flags.DEFINE_integer(
    'max_side', 512, 'deep_prior: larger pictures are reduced to it, px.', lower_bound=SMALLEST_SIDE
  )


def from_flags() -> DeepPriorTaskConfig:
  """The configuration that the parsed flags describe.

  Raises:
    ConfigError: a flag is missing or makes no sense.
  """
  require_input()
  chosen = {
    name: value if getattr(FLAGS, name) is None else getattr(FLAGS, name)
    for name, value in DEFAULTS.items()
  }
  config = read(DeepPriorTaskConfig, **chosen)
  network(config.network)
  if '?' in config.degradation:
    raise ConfigError(f"--degradation={config.degradation}: deep_prior cannot find '?'; name it")
  return config


def network(name: str) -> DeepPriorConfig:
  """The architecture that --network names.

  Raises:
    ConfigError: there is none of that name.
  """
  if name == 'paper':
    return PAPER
  depth, _, kind = name.partition('-')
  kinds = {'single': (False, 0), 'double': (True, 0)}
  kinds |= {'single-skip': (False, 4), 'double-skip': (True, 4)}
  if not depth.isdecimal() or not 1 <= int(depth) <= 8 or kind not in kinds:
    raise ConfigError(
      f'--network={name}: write paper, or such as 2-single, 4-double, 4-double-skip'
    )
  return plain(int(depth), *kinds[kind])


def run(config: DeepPriorTaskConfig) -> int:
  """Restores every picture of the input; returns the number of failures."""
  degradations.parse(config.degradation)
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(), config.overwrite) as store:
    for batch in _batches(_damaged(store, items, config), config.batch_size):
      _restore(config, store, batch)
    path = report.write_report(pathlib.Path(config.output))
    return console.summarise(config.task, store, path)


def _damaged(
  store: data.Store, items: list[data.Item], config: DeepPriorTaskConfig
) -> Iterator[Damaged]:
  """The pictures that still need work; failures go to the store."""
  for item in items:
    source = str(item.path)
    if store.finished(source):
      continue
    try:
      yield _damage(item, config)
    except (data.ImageError, degradations.DegradationError) as error:
      store.add_failure(source, item.name, str(error).removeprefix(f'{source}: '))


def _damage(item: data.Item, config: DeepPriorTaskConfig) -> Damaged:
  """Reads and degrades one picture, unless it came degraded."""
  photo = _reduced(data.decode(item.path), config.max_side)
  _refuse_alpha(item.path)
  if min(photo.shape[:2]) < SMALLEST_SIDE:
    raise data.ImageError(f'{item.path}: smaller than {SMALLEST_SIDE} px; enlarge it first')
  pipeline = degradations.parse(config.degradation)
  sample_key, true_key = jax.random.split(jax.random.fold_in(image_key(config.seed, item.name), 2))
  done = pipeline.sample(sample_key)
  if not config.already_degraded:
    photo = _whole(photo, pipeline)
    height, width = photo.shape[:2]
    target = done.true(to_float(photo), true_key)
    return Damaged(item, done, target, photo, height, width)
  factor = _factor(pipeline)
  height, width = (n * factor for n in photo.shape[:2])
  done.check(height, width)
  return Damaged(item, done, to_float(photo), None, height, width)


def _refuse_alpha(path: pathlib.Path) -> None:
  """A network that is fitted to every pixel would be fitted to whatever stands in for glass."""
  with Image.open(path) as image:
    if 'A' in image.getbands() or 'transparency' in image.info:
      raise data.ImageError(f'{path}: has an alpha channel; save it without transparency first')


def _factor(pipeline: degradations.Pipeline) -> int:
  """By how much it shrinks a side."""
  probe = 64**3
  return probe // pipeline.output_shape(probe, probe)[0]


def _whole(photo: np.ndarray, pipeline: degradations.Pipeline) -> np.ndarray:
  """Cuts what the factor of a down-sampling does not divide."""
  factor = _factor(pipeline)
  height, width = (n // factor * factor for n in photo.shape[:2])
  return photo[:height, :width]


def _reduced(photo: np.ndarray, max_side: int) -> np.ndarray:
  image = Image.fromarray(photo)
  image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
  return np.asarray(image)


def _batches(found: Iterator[Damaged], size: int) -> Iterator[list[Damaged]]:
  """Groups of neighbours of one size whose degradations have the same operators."""
  for _, alike in itertools.groupby(found, lambda d: (d.height, d.width)):
    while batch := list(itertools.islice(alike, size)):
      yield batch


def _problem(damaged: Damaged, config: DeepPriorTaskConfig) -> deep_prior.Problem:
  hyper = deep_prior.Hyper(
    num_steps=jnp.int32(config.num_steps),
    learning_rate=jnp.float32(config.learning_rate),
    input_noise=jnp.float32(config.input_noise),
    perturbation=jnp.float32(config.perturbation),
    averaging=jnp.float32(config.averaging),
    patience=jnp.int32(config.num_steps // 2 if config.early_stopping else 0),
  )
  model = damaged.degradation
  if all(isinstance(op, degradations.GaussianNoise) for op in model.operators):
    model = degradations.parse('identity()')  # the network leaves white noise out by itself
  return deep_prior.Problem(
    jnp.asarray(damaged.target),
    damaged.degradation.visible(*damaged.target.shape[:2]),
    model,
    hyper,
    image_key(config.seed, damaged.item.name),
  )


def _restore(config: DeepPriorTaskConfig, store: data.Store, batch: list[Damaged]) -> None:
  """Fits one batch and writes its files."""
  frames: list[tuple[int, np.ndarray]] = []
  started = time.monotonic()
  names = [damaged.item.name for damaged in batch]
  setup = deep_prior.Setup(
    network(config.network),
    config.prior_loss,
    batch[0].height,
    batch[0].width,
    config.early_stopping,
  )
  with console.steps(config.task, names, config.num_steps) as bar:

    def on_progress(progress: deep_prior.Progress) -> None:
      bar.show(progress.step, progress.loss)
      if config.save_every:
        frames.append((progress.step, to_bytes(progress.images())))

    fit = deep_prior.run(
      setup,
      deep_prior.stack([_problem(damaged, config) for damaged in batch]),
      on_progress,
      config.save_every or deep_prior.CHUNK_STEPS,
    )
  seconds = (time.monotonic() - started) / len(batch)
  images = to_bytes(np.asarray(fit.image))
  for i, damaged in enumerate(batch):
    own = [(step, pictures[i]) for step, pictures in frames]
    record = _write(store, config, damaged, images[i], fit, i, own)
    store.add_result({**record, 'seconds': round(seconds, 2)})


def _write(
  store: data.Store,
  config: DeepPriorTaskConfig,
  damaged: Damaged,
  restored: np.ndarray,
  fit: deep_prior.Fit,
  i: int,
  frames: list[tuple[int, np.ndarray]],
) -> dict[str, Any]:
  """Writes one picture's files; returns its record."""
  name = damaged.item.name
  chosen = int(fit.chosen_at[i])
  curves = {'total': fit.loss[i]}
  if np.isfinite(fit.variance[i]).any():
    curves['variance of outputs'] = fit.variance[i]
  files = {
    'restored': store.write_image('restored', name, restored),
    'degraded': store.write_image('degraded', name, to_bytes(damaged.target)),
    'curve': store.write_bytes(f'curves/{name}.png', report.loss_curve(curves, chosen, name)),
  }
  if damaged.truth is not None:
    files['aligned'] = store.write_image('aligned', name, damaged.truth)
  if frames:
    movie = report.animation([frame for _, frame in frames], [f'step {s}' for s, _ in frames])
    files['progress'] = store.write_bytes(f'progress/{name}.webp', movie)
  return {
    'name': name,
    'source': str(damaged.item.path),
    'task': config.task,
    'degradation': str(damaged.degradation),
    'files': files,
    'metrics': _metrics(damaged, restored),
    'loss': float(fit.loss[i, -1]),
    'settled_at': chosen,
    'num_steps': int(fit.num_steps[i]),
  }


def _metrics(damaged: Damaged, restored: np.ndarray) -> dict[str, float]:
  """PSNR and SSIM against the truth, where there is one; the degraded picture's beside them."""
  if damaged.truth is None:
    return {}
  truth = to_float(damaged.truth)
  size = (damaged.width, damaged.height)
  shown = Image.fromarray(to_bytes(damaged.target)).resize(size, Image.Resampling.NEAREST)
  values = {}
  for suffix, picture in (('', restored), ('_degraded', np.asarray(shown))):
    values[f'psnr{suffix}'] = metrics.psnr(to_float(picture), truth)
    values[f'ssim{suffix}'] = metrics.ssim(to_float(picture), truth)
  return {key: round(float(value), 4) for key, value in values.items()}
