"""How many of what were made, and how much better they are, in words."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ganjax.report.cards import photo_of
from ganjax.report.measures import figure_text, gain_text, with_unit
from ganjax.report.runs import Mean, Run, mean

METRICS = ('psnr', 'ssim')

# What a record of a task is about, and what was done to it. Of other tasks, a photo's record is a
# face that was restored.
_FACE, _PICTURE, _WALK = 'face', 'picture', 'walk'
_MADE = {
  'align': (_FACE, 'cropped'),
  'classify': (_FACE, 'classified'),
  'classify_train': ('classifier', 'trained'),
  'deep_prior': (_PICTURE, 'restored'),
  'direction': ('direction', 'found'),
  'generate': (_PICTURE, 'generated'),
  'interpolate': (_WALK, 'drawn'),
  'invert': (_FACE, 'inverted'),
  'pix2pix_predict': (_PICTURE, 'restored'),
  'sweep': (_FACE, 'tried out'),
  'traverse': (_WALK, 'drawn'),
}


def counts(runs: Sequence[Run]) -> list[str]:
  """'2 photos', '5 faces restored'; the same photo in two runs counts once."""
  made: Counter[tuple[str, str]] = Counter()
  photos = set()
  for record in (record for run in runs for record in run.results):
    thing, done = _made(record)
    made[thing, done] += 1
    if thing == _FACE:
      photos.add(photo_of(record))
  said = [_count(number, f'{thing} {done}') for (thing, done), number in made.items()]
  photos.discard(None)
  return [_count(len(photos), 'photo'), *said] if photos else said or ['nothing done']


def means(results: Iterable[dict]) -> list[str]:
  """'mean PSNR over 3 faces: 18.2 → 24.1 dB (+5.9 dB)', of all that was measured."""
  found = ((metric, mean(results, metric)) for metric in METRICS)
  return [_mean(metric, figures) for metric, figures in found if figures is not None]


def from_to(metric: str, figures: Mean | None) -> str:
  """'18.2 → 24.1 dB'."""
  if figures is None:
    return '–'
  after = with_unit(metric, figure_text(metric, figures.after))
  return after if figures.before is None else f'{figure_text(metric, figures.before)} → {after}'


def _made(record: dict) -> tuple[str, str]:
  task = record.get('task')
  if isinstance(task, str) and task in _MADE:
    return _MADE[task]
  return (_PICTURE, 'done') if photo_of(record) is None else (_FACE, 'restored')


def _count(number: int, what: str) -> str:
  """'1 face restored', '5 faces restored'."""
  thing, *done = what.split(' ', 1)
  return ' '.join([f'{number:,}', thing if number == 1 else f'{thing}s', *done])


def _mean(metric: str, figures: Mean) -> str:
  said = f'mean {metric.upper()} over {figures.pictures:,}'
  if figures.completed:
    said += ', completed'
  said += f': {from_to(metric, figures)}'
  if figures.before is not None:
    said += f' ({with_unit(metric, gain_text(metric, figures.before, figures.after))})'
  return said
