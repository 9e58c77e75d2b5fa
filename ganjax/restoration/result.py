"""What came of one face (or of a photo that is restored as a whole), and how it is kept."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ganjax import data, inversion, report, weights
from ganjax.degradations import Pipeline

# An image's kind -> the folder that it is kept in, where that is not called the same.
FOLDERS = {'mask': 'masks'}
DIGITS = 4  # of figures in results.jsonl


class Curves(NamedTuple):
  """What is drawn over the steps; see `report.loss_curve`."""

  lines: dict[str, np.ndarray]  # name -> [num_steps]; 'total' is the loss
  psnr: np.ndarray | None = None  # [num_steps] in dB, against the truth
  mark: str = 'settled'  # what happened at the restoration's `settled_at`


@dataclasses.dataclass(frozen=True)
class Result:
  """One result of a restoration.

  Attributes:
    name: the face's, or the photo's; its files are called so.
    source: the photo it comes from.
    images: kind -> uint8 [h, w, 3]. 'degraded' is the input; 'restored' what came of it; 'aligned'
      the truth, where it is known; 'completed' has what the input shows put back, where the
      degradation allows it; 'mask' [h, w] is 0 in holes and 255 elsewhere, 'outlined' the input
      with its holes outlined.
    metrics: what `measure` found; None where nothing was restored.
    record: what else results.jsonl tells, such as the degradation.
    restoration: of this image alone: latent, noise maps, curves; None if there was no inversion.
    degradation: of the face's crop, as it was assumed or found; None where that is not needed.
    quad: the face's corners in the photo, [4, 2] in px; None for a whole photo.
    num_results: how many results the photo has; None for a photo restored as a whole.
    curves: what is drawn over the steps.
    frames: (step, uint8 image) on the way.
    deviation: [H, W], where restarts disagree, in units of the [0, 1] range.
    seconds: that it took, as a share of its batch.
  """

  name: str
  source: str
  images: dict[str, np.ndarray]
  metrics: dict[str, float] | None = None
  record: dict[str, Any] = dataclasses.field(default_factory=dict)
  restoration: inversion.Restoration | None = None
  degradation: Pipeline | None = None
  quad: np.ndarray | None = None
  num_results: int | None = None
  curves: Curves | None = None
  frames: list[tuple[int, np.ndarray]] = dataclasses.field(default_factory=list)
  deviation: np.ndarray | None = None
  seconds: float | None = None

  @property
  def best(self) -> np.ndarray:
    """The completed image where there is one, or else the restored one; uint8."""
    return self.images.get('completed', self.images['restored'])

  def line(
    self, task: str, files: Mapping[str, str] | None = None, digits: int | None = DIGITS
  ) -> dict[str, Any]:
    """The result's line in results.jsonl.

    Args:
      task: that made it.
      files: kind -> path below the output folder; None where no files are kept.
      digits: that figures are rounded to; None leaves them as they are.
    """
    count = {} if self.num_results is None else {'num_results': self.num_results}
    line = {'name': self.name, 'source': self.source, **count, 'task': task, **self.record}
    if files is not None:
      line['files'] = dict(files)
    if self.metrics is not None:
      figures = self.metrics.items()
      line['metrics'] = {k: v if digits is None else round(v, digits) for k, v in figures}
    if self.restoration is not None:
      line['loss'] = float(self.restoration.loss[-1])
      line['settled_at'] = int(self.restoration.settled_at)
      line['num_steps'] = int(self.restoration.num_steps)
    return line if self.seconds is None else {**line, 'seconds': self.seconds}

  def keep(
    self,
    store: data.Store,
    task: str,
    weights_sha256: str = '',
    files: Mapping[str, str] | None = None,
    digits: int | None = DIGITS,
    single_frames: bool = False,
  ) -> None:
    """Writes the result's files, and then its line.

    Args:
      store: the output.
      task: that made it.
      weights_sha256: of the generator that the latent belongs to.
      files: further ones, written already.
      digits: as `line` takes it.
      single_frames: frames are kept as files, too, not in the animation alone.

    Raises:
      StoreError: the folder cannot be written.
    """
    written = {
      kind: store.write_image(FOLDERS.get(kind, kind), self.name, image)
      for kind, image in self.images.items()
    }
    written |= self._keep_arrays(store, weights_sha256) | self._keep_figures(store)
    if single_frames:
      for step, frame in self.frames:
        store.write_image(f'progress/{self.name}', f'step_{step:05d}', frame)
    store.add_result(self.line(task, {**written, **(files or {})}, digits))

  def _keep_arrays(self, store: data.Store, weights_sha256: str) -> dict[str, str]:
    """Writes the latent, and how the generator was tuned to the face."""
    found = self.restoration
    if found is None or found.latent is None:
      return {}
    files = {
      'latent': store.write_array(
        'latents',
        self.name,
        latent=found.latent,
        **{f'noise.{key}': value for key, value in found.noise.items()},
        loss=found.loss,
        weights_sha256=weights_sha256,
        config_hash=store.config_hash,
        quad=self.quad,
      )
    }
    if found.tuned is not None:
      tuned = weights.to_bytes(found.tuned[0], weights.tuned.header(weights_sha256))
      files['tuned'] = store.write_bytes(f'tuned/{self.name}.safetensors', tuned)
    return files

  def _keep_figures(self, store: data.Store) -> dict[str, str]:
    """Writes the curve, the animation and the map."""
    files = {}
    if self.curves is not None:
      files['curve'] = store.write_bytes(f'curves/{self.name}.png', self.curve_png())
    if self.frames:
      captions = [f'step {step}' for step, _ in self.frames]
      movie = report.animation([frame for _, frame in self.frames], captions)
      files['progress'] = store.write_bytes(f'progress/{self.name}.webp', movie)
    if self.deviation is not None:
      drawn = report.deviation_map(self.deviation)
      files['deviation'] = store.write_bytes(f'deviation/{self.name}.png', drawn)
    return files

  def curve_png(self) -> bytes:
    """The figure of `curves`."""
    assert self.curves is not None
    assert self.restoration is not None
    lines, psnr, mark = self.curves
    return report.loss_curve(lines, int(self.restoration.settled_at), self.name, psnr, mark)
