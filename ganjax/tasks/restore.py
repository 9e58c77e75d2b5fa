"""Invert and restore: deblur, colorize, inpaint, super_resolve, denoise, dejpeg, restore."""

import pathlib

from ganjax import data, degradations, inversion, report, weights
from ganjax.restoration import result_grid
from ganjax.restoration.faces import unfinished
from ganjax.restoration.solve import Method, restore_faces
from ganjax.restoration.whole_photos import WholePhotos
from ganjax.tasks import console
from ganjax.tasks.restore_config import AUTO, RestoreConfig


def run(config: RestoreConfig) -> int:
  """Restores every face of the input; returns the number of failures."""
  method = method_of(config)
  networks = weights.load(config.weights, config.precision)
  method.check(networks.resolution)
  perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    found = unfinished(store, items, method.search(networks, config.align, config.box))
    whole = WholePhotos()
    for face, result in restore_faces(
      networks, perceptual, found, method, config.batch_size, console.steps
    ):
      whole.keep(store, face, result, config.task, networks.sha256, single_frames=True)
    result_grid.write(store)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def method_of(config: RestoreConfig) -> Method:
  """How a run restores each face.

  Raises:
    DegradationError: a degradation's spec cannot be read.
  """
  assumed = config.assumed_degradation
  return Method(
    degradation=degradations.parse(config.degradation),
    preset=config.chosen_preset(),
    hyper=config.hyper(),
    task=config.task,
    seed=config.seed,
    assumed=None if assumed is None else degradations.parse(assumed),
    degrade_first=config.degrade_first,
    restarts=config.restarts,
    auto_weight=config.latent_dist_reg_weight == AUTO,
    save_every=config.save_every,
    shows_degraded=config.task != 'invert',
  )
