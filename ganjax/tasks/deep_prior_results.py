"""What `deep_prior` makes of its networks: results, and the tables of its sweeps."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ganjax import data, inversion
from ganjax.inversion import deep_prior, sweeps
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration import holes
from ganjax.restoration.completion import completed
from ganjax.restoration.degrade import Degraded
from ganjax.restoration.measure import measure
from ganjax.restoration.result import Curves, Result
from ganjax.tasks import sweep_results
from ganjax.tasks.deep_prior_config import DeepPriorTaskConfig
from ganjax.tasks.deep_prior_study import settings


class Job(NamedTuple):
  """A photo to be restored, in one combination of a sweep."""

  item: data.Item
  config: DeepPriorTaskConfig  # of this combination alone
  degraded: Degraded
  height: int  # of the restored image
  width: int


class Fitted(NamedTuple):
  """What came of one network, or as the mean of several."""

  image: np.ndarray  # float32 [H, W, 3], nominally in [-1, 1]
  fit: inversion.Restoration  # of the first network, without a leading axis
  frames: list[tuple[int, np.ndarray]]  # (step, uint8 image), of the first network
  seconds: float
  deviation: np.ndarray | None = None  # [H, W], between networks, in units of the [0, 1] range


def result(job: Job, fitted: Fitted) -> Result:
  """What came of one photo."""
  degraded = job.degraded
  images = {'restored': to_bytes(fitted.image), 'degraded': to_bytes(degraded.target)}
  if degraded.truth is not None:
    images['aligned'] = degraded.truth
  images |= holes.pictures(degraded.target, degraded.visible)
  if degraded.degradation.is_only_projections:
    # Exactly, for this prior's images differ little from the input where it shows anything.
    images['completed'] = completed(
      degraded.degradation, degraded.target, images['restored'], fade=0.0
    )
  return Result(
    name=job.item.name,
    source=str(job.item.path),
    images=images,
    metrics=measure(images, degraded, with_fidelity=False),
    record=degraded.record,
    restoration=fitted.fit,
    curves=_curves(degraded, fitted.fit),
    frames=fitted.frames,
    deviation=fitted.deviation,
    seconds=round(fitted.seconds, 2),
  )


def _curves(degraded: Degraded, fit: inversion.Restoration) -> Curves:
  lines = {'total': fit.loss}
  if np.isfinite(fit.terms.variance).any():
    lines['variance of outputs'] = fit.terms.variance
  psnr = None if degraded.truth is None else deep_prior.psnr_curve(fit.terms)
  return Curves(lines, psnr, 'taken')


def keep_sweep(
  store: data.Store, config: DeepPriorTaskConfig, jobs: list[Job], results: list[Result]
) -> None:
  """Writes one photo's table, heat map and curves, and its record."""
  name = jobs[0].item.name
  entries = [
    _entry(store, i, setting, job.degraded, one)
    for i, (setting, job, one) in enumerate(zip(settings(config), jobs, results, strict=True))
  ]
  restored = [one.images['restored'] for one in results]
  files = sweep_results.write(store, name, sweeps.axes(config.sweep), restored, entries)
  index = sweep_results.best_of(entries)
  best = results[index]
  Result(
    name=name,
    source=best.source,
    images={kind: image for kind, image in best.images.items() if kind != 'completed'},
    metrics=best.metrics,
    record={**best.record, 'best': entries[index]['setting'], 'sweep': entries},
  ).keep(store, config.task, files=files)


def _entry(
  store: data.Store, i: int, setting: dict[str, str], degraded: Degraded, one: Result
) -> dict[str, Any]:
  """One combination's line, whose curve is written."""
  line = one.line('')
  return {
    'setting': setting,
    'misfit': _misfit(degraded, one.images['restored']),
    **line['metrics'],
    **{key: line[key] for key in ('settled_at', 'num_steps', 'seconds')},
    'curve': store.write_bytes(f'curves/{one.name}/{i:04d}.png', one.curve_png()),
  }


def _misfit(degraded: Degraded, restored: np.ndarray) -> float:
  """The mean squared difference of what is visible, of values in [0, 1]."""
  again = degraded.degradation.expected(jnp.asarray(to_float(restored)))
  visible = degraded.degradation.visible(*degraded.target.shape[:2])
  return float(deep_prior.distance('l2', again, jnp.asarray(degraded.target), visible)) / 4
