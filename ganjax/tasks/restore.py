"""Invert and restore: deblur, colorize, inpaint, super_resolve, denoise, dejpeg, restore."""

import dataclasses
import pathlib
from collections.abc import Iterator

from ganjax import data, degradations, inversion, report, weights
from ganjax.restoration import result_grid
from ganjax.restoration.auto import Automatic, restore_diagnosed
from ganjax.restoration.faces import Face, Search, owners, unfinished, unfinished_photos
from ganjax.restoration.result import Result
from ganjax.restoration.solve import Method, restore_faces
from ganjax.restoration.whole_photos import WholePhotos
from ganjax.tasks import console
from ganjax.tasks.restore_config import AUTO, RestoreConfig, check_steps


def run(config: RestoreConfig) -> int:
  """Restores every face of the input; returns the number of failures."""
  how = Automatic.of(config.degradation) or method_of(config)
  networks = weights.load(config.weights, config.precision, init=config.init)
  if isinstance(how, Method):
    how.check(networks.resolution)
  check_steps(config, networks.encoder)
  perceptual = inversion.load_perceptual(config.perceptual, networks, config.precision)
  items = data.find(config.input)
  record = config.record(networks.sha256, networks.encoder_sha256)
  with data.Store.open(config.output, record, config.overwrite) as store:
    whole = WholePhotos()
    for face, result in _restored(config, networks, perceptual, store, items, how):
      whole.keep(store, face, result, config.task, networks.sha256, single_frames=True)
    result_grid.write(store)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)


def _restored(
  config: RestoreConfig,
  networks: weights.Networks,
  perceptual: inversion.Perceptual,
  store: data.Store,
  items: list[data.Item],
  how: Automatic | Method,
) -> Iterator[tuple[Face, Result]]:
  """The faces that still need work, restored."""
  if isinstance(how, Method):
    found = unfinished(store, items, how.search(networks, config.align, config.box))
    yield from restore_faces(networks, perceptual, found, how, config.batch_size, console.steps)
    return
  yield from restore_diagnosed(
    networks,
    perceptual,
    unfinished_photos(store, items),
    Search(networks.template, networks.resolution, config.align, config.box, as_is=True),
    how,
    lambda spec: method_of(dataclasses.replace(config, degradation=spec)),
    config.batch_size,
    console.steps,
    store.add_failure,
    owners(store),
  )


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
