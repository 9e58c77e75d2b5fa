"""What `deep_prior` leaves behind of one picture: files and a record."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ganjax import data, degradations, inversion, metrics, report
from ganjax.inversion import deep_prior, sweeps
from ganjax.pixels import to_bytes, to_float
from ganjax.tasks import sweep_results
from ganjax.tasks.deep_prior_config import DeepPriorTaskConfig
from ganjax.tasks.deep_prior_study import settings


class DegradedPhoto(NamedTuple):
  """A picture and what the network gets to see of it."""

  item: data.Item
  config: DeepPriorTaskConfig  # of this combination alone
  degradation: degradations.Pipeline  # as it is assumed to be
  target: np.ndarray  # [h, w, 3] in [-1, 1]
  truth: np.ndarray | None  # uint8 [H, W, 3]
  height: int
  width: int
  record: dict[str, Any]  # what is worth telling about the degradation


class Restored(NamedTuple):
  """What came out, of one network or as the mean of several."""

  image: np.ndarray  # uint8 [H, W, 3]
  deviation: np.ndarray | None  # [H, W], between restarts, in units of the [0, 1] range
  fit: inversion.Restoration  # of the first network, without a leading axis
  frames: list[tuple[int, np.ndarray]]  # (step, uint8 picture), of the first network
  seconds: float


def write(
  store: data.Store, config: DeepPriorTaskConfig, damaged: DegradedPhoto, restored: Restored
) -> None:
  """Writes one picture's files and its record."""
  name, fit = damaged.item.name, restored.fit
  files = {
    'restored': store.write_image('restored', name, restored.image),
    **_inputs(store, damaged),
    'curve': store.write_bytes(f'curves/{name}.png', _curve(damaged, fit)),
  }
  if damaged.degradation.is_only_projections:
    files['completed'] = store.write_image('completed', name, _completed(damaged, restored.image))
  if restored.deviation is not None:
    drawn = report.deviation_map(restored.deviation)
    files['deviation'] = store.write_bytes(f'deviation/{name}.png', drawn)
  if restored.frames:
    pictures = [frame for _, frame in restored.frames]
    movie = report.animation(pictures, [f'step {step}' for step, _ in restored.frames])
    files['progress'] = store.write_bytes(f'progress/{name}.webp', movie)
  store.add_result(
    {
      'name': name,
      'source': str(damaged.item.path),
      'task': config.task,
      **damaged.record,
      'files': files,
      'metrics': _metrics(damaged, restored.image),
      'loss': float(fit.loss[-1]),
      'settled_at': int(fit.settled_at),
      'num_steps': int(fit.num_steps),
      'seconds': round(restored.seconds, 2),
    }
  )


def _inputs(store: data.Store, damaged: DegradedPhoto) -> dict[str, str]:
  name = damaged.item.name
  files = {'degraded': store.write_image('degraded', name, to_bytes(damaged.target))}
  if damaged.truth is not None:
    files['aligned'] = store.write_image('aligned', name, damaged.truth)
  return files


def _curve(damaged: DegradedPhoto, fit: inversion.Restoration) -> bytes:
  curves = {'total': fit.loss}
  if np.isfinite(fit.terms.variance).any():
    curves['variance of outputs'] = fit.terms.variance
  psnr = None if damaged.truth is None else deep_prior.psnr_curve(fit.terms)
  return report.loss_curve(curves, int(fit.settled_at), damaged.item.name, psnr, 'taken')


def write_sweep(
  store: data.Store,
  config: DeepPriorTaskConfig,
  variants: list[DegradedPhoto],
  restored: list[Restored],
) -> None:
  """Writes one picture's table, heat map and curves, and its record."""
  name = variants[0].item.name
  entries: list[dict[str, Any]] = []
  for i, (setting, damaged, one) in enumerate(
    zip(settings(config), variants, restored, strict=True)
  ):
    curve = store.write_bytes(f'curves/{name}/{i:04d}.png', _curve(damaged, one.fit))
    entries.append(
      {
        'setting': setting,
        'misfit': _misfit(damaged, one.image),
        **_metrics(damaged, one.image),
        'settled_at': int(one.fit.settled_at),
        'num_steps': int(one.fit.num_steps),
        'seconds': round(one.seconds, 2),
        'curve': curve,
      }
    )
  files = sweep_results.write(
    store, name, sweeps.axes(config.sweep), [one.image for one in restored], entries
  )
  best = sweep_results.best_of(entries)
  store.add_result(
    {
      'name': name,
      'source': str(variants[best].item.path),
      'task': config.task,
      **variants[best].record,
      'files': {**files, **_inputs(store, variants[best])},
      'metrics': _metrics(variants[best], restored[best].image),
      'best': entries[best]['setting'],
      'sweep': entries,
    }
  )


def _completed(damaged: DegradedPhoto, restored: np.ndarray) -> np.ndarray:
  """The restored picture with what the input shows put back; uint8.

  Exactly, for this prior's pictures differ little from the input where it shows anything.
  """
  return degradations.completed(damaged.degradation, damaged.target, restored, fade=0.0)


def _misfit(damaged: DegradedPhoto, image: np.ndarray) -> float:
  """The mean squared difference of what is visible, of values in [0, 1]."""
  degraded = damaged.degradation.expected(jnp.asarray(to_float(image)))
  visible = damaged.degradation.visible(*damaged.target.shape[:2])
  target = jnp.asarray(damaged.target)
  return float(deep_prior.distance('l2', degraded, target, visible)) / 4


def _metrics(damaged: DegradedPhoto, restored: np.ndarray) -> dict[str, float]:
  """PSNR and SSIM against the truth, where it is known; the degraded picture's beside them."""
  if damaged.truth is None:
    return {}
  pictures = {'restored': restored, 'degraded': to_bytes(damaged.target)}
  if damaged.degradation.is_only_projections:
    pictures['completed'] = _completed(damaged, restored)
  values = metrics.against_truth(pictures, damaged.truth)
  return {name: round(value, 4) for name, value in values.items()}
