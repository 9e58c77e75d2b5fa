"""From photos to restored photos: what the restoration tasks do with a folder, in Python."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from ganjax import data, faces, inversion, report, weights
from ganjax.degradations import FileMask, Operator, Pipeline, parse
from ganjax.inversion.presets import NOISE_MAPS, PRESETS, Hyper, check_fidelity
from ganjax.pixels import check_floats, to_bytes
from ganjax.restoration import result_grid
from ganjax.restoration.auto import Automatic, restore_diagnosed
from ganjax.restoration.defaults import (
  AUTO,
  RESTORATIONS,
  SETTLED_WITHIN,
  TUNED_PRESET,
  defaults_of,
  has_dial,
  preset_of,
  preset_within,
  with_mask,
)
from ganjax.restoration.faces import Face, Photo, find_faces
from ganjax.restoration.result import Result
from ganjax.restoration.solve import Method, Show, Watch, restore_faces
from ganjax.restoration.whole_photos import WholePhotos
from ganjax.weights import Networks

Path = str | os.PathLike
Photos = Path | np.ndarray | Sequence[Path | np.ndarray]
Degradation = str | Operator
OnProgress = Callable[[list[str], inversion.Progress], None]

NO_DEGRADATION = "clean photos: say what is done to them first, such as 'blur() | jpeg()'"


class RestoredPhoto(NamedTuple):
  """What came of one photo."""

  name: str
  source: str  # its path, or its name
  faces: list[Result]  # from left to right
  image: np.ndarray | None  # uint8 [H, W, 3], the photo with all restored faces in it
  failure: str | None = None  # why a face, or the whole photo, could not be restored


def restore_photos(
  photos: Photos,
  degradation: Degradation | None = None,
  networks: Networks | None = None,
  *,
  task: str = 'restore',
  names: Sequence[str] | None = None,
  degrade_first: bool | None = None,
  mask: Path | None = None,
  box: tuple[float, ...] | None = None,
  quads: Sequence[np.ndarray] = (),
  assumed_degradation: Degradation | None = None,
  align: faces.Mode = 'auto',
  preset: str | None = None,
  perceptual: str | inversion.Perceptual = 'discriminator',
  seed: int = 0,
  batch_size: int = 8,
  restarts: int = 1,
  save_every: int = 0,
  stop_when_settled: bool = False,
  output: Path | None = None,
  overwrite: bool = False,
  on_progress: OnProgress | None = None,
  watch: Watch | None = None,
  **settings: Any,
) -> list[RestoredPhoto]:
  """Restores the faces of photos, as `python -m ganjax --task=…` does, with the same results.

  Each face is found, cropped, restored, completed where the degradation allows it, measured and
  put back into its photo. A transparent pixel is a hole. All results are held in memory: a
  whole data set is for `--task=bulk`. On a CPU they equal the command's to the last bit if, as
  there, `one_per_core()` and `disable_cpu_fusion_emitters()` of `ganjax.runtime.devices` are called
  before all else.

  Args:
    photos: a file, a folder or a glob of photos; or one photo's pixels, uint8 [H, W, 3] or floats
      in [-1, 1], which are rounded to 8 bits; or a sequence of files and pixels. Pixels may have
      an alpha channel.
    degradation: what happened to the faces, or is done to them; an operator or its spec. None for
      the task's, which finds out what it can; that of 'restore' is 'auto': what each photo shows.
    networks: from `ganjax.load`; with their encoder searches begin, if they have one and the preset
      begins with one. None for the bundled ones.
    task: whose defaults hold: a restoration task's name, such as 'deblur'.
    names: one for each photo of a sequence; together with `seed` they decide all that is random.
      By default a file is called as the tasks call it, and pixels by their place: '0', '1', ….
    degrade_first: the photos are clean: their faces are degraded first, and measured against.
      None for no, unless there is an `assumed_degradation`.
    mask: a picture of the photos' size, black where holes are, or a folder of such, by name.
    box: left, top, right and bottom in px of the one face that is meant; None to look for faces.
    quads: the corners of one photo's faces, [4, 2] px each, as `Result` has them; then none are
      looked for.
    assumed_degradation: what the restoration takes for granted instead of `degradation`; '?' stands
      for what it has to find out.
    align: whether faces are looked for and cropped, as `faces.align` takes it.
    preset: one of `PRESETS`; None for the task's, or for 'projector' where a setting is given that
      only it has. The tasks' own numbers are for 'projector'.
    perceptual: how images are compared, by name or as an object.
    seed: for all randomness.
    batch_size: faces that are restored together; it changes no result.
    restarts: inversions of each face, of which the best is kept.
    save_every: steps between a result's `frames`; 0 keeps none.
    stop_when_settled: a face whose loss has settled goes into its ramp-down at once.
    output: a folder that gets everything that the task would write, report included. What an
      earlier call with the same arguments wrote there is made anew.
    overwrite: discards what other arguments gave there.
    on_progress: called after every chunk of steps with the names of the faces at work. What it
      raises ends the call.
    watch: in place of it, for who also has to know what is done, and how many steps that takes.
    **settings: in place of the defaults: space, noise_maps, num_steps, learning_rate,
      latent_dist_reg_weight (or 'auto'), noise_reg_weight, pixel_weight, w_noise, fidelity (0 to
      1, see `Hyper`).

  Returns:
    One for each photo, in order.

  Raises:
    ValueError: photos are neither files nor pixels as above; names are too few, too many or twice
      the same; a task, preset or setting is unknown or out of range.
    SourceError: there are no such files.
    DegradationError: a degradation cannot be read, or does not fit the generator.
    WeightsError, StoreError: the networks cannot be read, or the folder cannot be written.
  """
  _check_choice('task', task, RESTORATIONS)
  if preset is None:
    preset = preset_of(task, settings)
  _check_choice('preset', preset, PRESETS)
  _check_choice('align', align, get_args(faces.Mode))
  if min(batch_size, restarts) < 1:
    raise ValueError(f'batch_size={batch_size}, restarts={restarts}: give 1 or more')
  degrade_first = assumed_degradation is not None if degrade_first is None else degrade_first
  found = _photos(photos, names)
  if len(quads) and len(found) > 1:
    raise ValueError(f'quads: are those of one photo, but there are {len(found)}')
  has_encoder = networks is None or networks.encoder is not None
  has_encoder = has_encoder and PRESETS[preset].begins_with_encoder
  values = _values(task, preset, degrade_first, has_encoder, settings)
  masks_only = mask is not None and task == 'inpaint'
  given = _masked(degradation or ('mask()' if masks_only else values['degradation']), mask)
  automatic = Automatic.of(given) if isinstance(given, str) else None
  method = Method(
    degradation=Pipeline(()) if automatic else _pipeline(given),
    preset=preset_within(preset, values, has_encoder),
    hyper=_hyper(values, stop_when_settled),
    task=task,
    seed=seed,
    assumed=None if assumed_degradation is None else _pipeline(assumed_degradation),
    degrade_first=degrade_first,
    restarts=restarts,
    auto_weight=values['latent_dist_reg_weight'] == AUTO,
    save_every=save_every,
    shows_degraded=task != 'invert',
  )
  _check_known(method, automatic is not None)
  networks = weights.load() if networks is None else networks
  if not has_encoder:
    networks = networks.without_encoder()
  method.check(networks.resolution)
  if isinstance(perceptual, str):
    perceptual = inversion.load_perceptual(perceptual, networks)
  config = {
    **{'photos': [photo.name for photo in found], 'preset': preset, 'align': align, 'box': box},
    'quads': [np.asarray(quad).tolist() for quad in quads],
    **values,
    **_record(method, str(given), networks),
  }
  with _open(output, config, overwrite) as store:
    collected = _Collected(found, store)
    watch = watch or functools.partial(_watch, on_progress)
    search = method.search(networks, align, box, quads)
    if automatic is None:
      crops = find_faces(found, search, collected.add_failure)
      restored = restore_faces(networks, perceptual, crops, method, batch_size, watch)
    else:
      restored = restore_diagnosed(
        networks,
        perceptual,
        found,
        search,
        automatic,
        lambda spec: dataclasses.replace(method, degradation=parse(spec)),
        batch_size,
        watch,
        collected.add_failure,
      )
    for face, result in restored:
      collected.add(face, result, task, networks.sha256)
    if store is not None:
      result_grid.write(store)
      report.write_report(store.folder)
  return collected.photos


class _Collected:
  """What has come of each photo."""

  def __init__(self, found: Sequence[Photo], store: data.Store | None):
    self._store, self._whole = store, WholePhotos()
    self._photos = {
      photo.source: RestoredPhoto(photo.name, photo.source, [], None) for photo in found
    }

  @property
  def photos(self) -> list[RestoredPhoto]:
    return list(self._photos.values())

  def add(self, face: Face, result: Result, task: str, weights_sha256: str) -> None:
    """Takes in one face's result, and keeps it."""
    if self._store is None:
      image = self._whole.add(face, result)
    else:
      image = self._whole.keep(self._store, face, result, task, weights_sha256, single_frames=True)
    before = self._photos[face.source]
    self._photos[face.source] = before._replace(faces=[*before.faces, result], image=image)

  def add_failure(self, source: str, name: str, reason: Exception | str) -> None:
    """Takes in why a photo, or a face of it, cannot be restored."""
    if self._store is not None:
      self._store.add_failure(source, name, reason)
    told = str(reason).removeprefix(f'{source}: ')
    self._photos[source] = self._photos[source]._replace(failure=told)


def _open(
  output: Path | None, config: dict[str, Any], overwrite: bool
) -> contextlib.AbstractContextManager[data.Store | None]:
  """The output folder, if one is wanted."""
  return contextlib.nullcontext() if output is None else data.Store.open(output, config, overwrite)


def _record(method: Method, degradation: str, networks: Networks) -> dict[str, Any]:
  """What config.json keeps of a method."""
  return {
    **{'task': method.task, 'degradation': degradation, 'seed': method.seed},
    'assumed_degradation': None if method.assumed is None else str(method.assumed),
    **{'degrade_first': method.degrade_first, 'restarts': method.restarts},
    'settled_within': float(method.hyper.settled_within),
    'weights_sha256': networks.sha256,
    'encoder_sha256': networks.encoder_sha256,
  }


@contextlib.contextmanager
def _watch(
  on_progress: OnProgress | None, what: str, names: list[str], num_steps: int
) -> Iterator[Show]:
  del what, num_steps

  def show(progress: inversion.Progress) -> None:
    if on_progress is not None:
      on_progress(names, progress)

  yield show


def _photos(given: Photos, names: Sequence[str] | None) -> list[Photo]:
  """What was given, checked and named."""
  if isinstance(given, str | os.PathLike):
    if names is not None:
      raise ValueError('names: photos that one path means have names of their own; leave it out')
    return [Photo.in_file(item) for item in data.find(given)]
  listed: list[Any] = list(given)
  if isinstance(given, np.ndarray) and given.ndim != 4:
    listed = [given]
  if names is not None and len(names) != len(listed):
    raise ValueError(f'{len(names)} names for {len(listed)} photos')
  found = [_photo(photo, i) for i, photo in enumerate(listed)]
  if names is not None:
    found = [_renamed(photo, name) for photo, name in zip(found, names, strict=True)]
  for field in ('name', 'source'):
    values = [getattr(photo, field) for photo in found]
    if twice := [value for value in values if values.count(value) > 1]:
      raise ValueError(f'two photos have the {field} {twice[0]!r}: give each a name of its own')
  return found


def _photo(given: Path | np.ndarray, i: int) -> Photo:
  if isinstance(given, str | os.PathLike):
    (item, *others) = data.find(given)
    if others:
      raise ValueError(f'{os.fspath(given)}: is more than one photo; give it alone, not in a list')
    return Photo.in_file(item)
  pixels = _pixels(np.asarray(given), f'photos[{i}]')
  return Photo(str(i), f'photos[{i}]', lambda: pixels)


def _renamed(photo: Photo, name: str) -> Photo:
  if name != data.names.name_of(f'{name}.png'):
    raise ValueError(f'names: {name!r} is no safe file name; use letters, digits, - and _')
  return photo._replace(name=name)


def _pixels(given: np.ndarray, what: str) -> np.ndarray:
  """Pixels as uint8 [H, W, 3] or, with an alpha channel, [H, W, 4]."""
  if given.ndim != 3 or given.shape[2] not in (3, 4) or not given.size:
    raise ValueError(
      f'{what} has shape {list(given.shape)}: give RGB pixels, [H, W, 3], or RGBA, [H, W, 4]'
    )
  if given.dtype == np.uint8:
    return given
  check_floats(given, what, ', or uint8')
  return to_bytes(given)


def _pipeline(degradation: Degradation) -> Pipeline:
  if not degradation:
    raise ValueError(NO_DEGRADATION)
  return parse(degradation) if isinstance(degradation, str) else Pipeline.of(degradation)


def _masked(degradation: Degradation, mask: Path | None) -> Degradation:
  """A degradation, with the holes of a mask in a file."""
  if mask is None:
    return degradation
  if isinstance(degradation, str):
    return with_mask(degradation, mask)
  return _pipeline(degradation) | FileMask.create(os.fspath(mask))


def _check_choice(what: str, value: str, choices: Iterable[str]) -> None:
  if value not in choices:
    raise ValueError(f'{what} {value!r} is none of {", ".join(choices)}')


def _values(
  task: str, preset: str, degrade_first: bool, has_encoder: bool, settings: dict[str, Any]
) -> dict[str, Any]:
  """The defaults of a task and a preset, with the settings that were given."""
  defaults = defaults_of(task, preset, degrade_first, has_encoder)
  known = defaults.keys() - {'degradation'}
  if preset != TUNED_PRESET:  # others have their own
    known -= {'space', 'noise_maps'}
  if unknown := sorted(settings.keys() - known):
    raise ValueError(f'unknown {unknown} with preset {preset!r}; known are {sorted(known)}')
  values = {**defaults, **settings}
  _check_choice('noise_maps', values['noise_maps'], NOISE_MAPS)
  check_fidelity(values['fidelity'])
  if 'fidelity' in settings and not has_dial(values):
    raise ValueError(f'fidelity: preset {preset!r} with these settings has no weight that it turns')
  return values


def _hyper(values: dict[str, Any], stop_when_settled: bool) -> Hyper:
  given = {name: values[name] for name in Hyper._fields if name in values}
  if given['latent_dist_reg_weight'] == AUTO:
    given['latent_dist_reg_weight'] = 0.0  # until it is found
  return Hyper(**given, settled_within=SETTLED_WITHIN if stop_when_settled else 0.0)


def _check_known(method: Method, is_automatic: bool) -> None:
  """Only what is known can be done to clean photos."""
  if not method.degrade_first and method.assumed is not None:
    raise ValueError(
      'assumed_degradation: goes with degrade_first; of a photo that is restored as it is, '
      'degradation says what is assumed'
    )
  if (method.degradation.unknown or is_automatic) and method.degrade_first:
    unknown = AUTO if is_automatic else method.degradation
    raise ValueError(
      f'{unknown}: a clean photo cannot be degraded by what is unknown; '
      "leave the '?' to assumed_degradation"
    )
  if method.auto_weight and method.restarts > 1:
    raise ValueError("restarts: not together with latent_dist_reg_weight='auto'")
