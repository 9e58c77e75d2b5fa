"""The figures of a face as the report tells them, and what they mean in plain words."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ganjax.metrics import ENDINGS
from ganjax.report.runs import by_kind, number, section

_UNITS = {'psnr': 'dB', 'fidelity': 'dB'}
_DECIMALS = {'psnr': 1, 'ssim': 2, 'fidelity': 1}
_COLUMNS = ('degraded', 'completed', 'restored')  # as the pictures stand

# In the order of the page. What is measured says over what.
GLOSSARY = {
  'degraded': 'the face as it came, or as the run damaged it on purpose to measure itself.',
  'outlined': 'the face as it came, with a line around what is hidden and has to be made up.',
  'completed': 'the restored face with everything put back that the input shows: only what was '
  'hidden or lost is new.',
  'restored': 'the whole face as the network draws it.',
  'truth': 'the face before it was damaged; nothing but the figures has seen it.',
  'fidelity': 'how well the restored face, damaged again in the same way, matches your photo '
  'where it shows anything. In dB; more is nearer.',
  'psnr': 'how near a picture is to the true one, pixel by pixel, over the whole crop, holes '
  'included. In dB; more is nearer, and 6 dB are half the error.',
  'ssim': 'how alike the patterns of a picture and of the true one are, over the whole crop, holes '
  'included. 1 is the same picture.',
  'identity': 'the distance between two faces in dlib’s recognition network, over the whole face; '
  'below 0.6 it takes them for the same person.',
  'hidden': 'the share of the crop’s pixels of which the input shows nothing.',
  'loss': 'what the search made small, at its last step: how far the face, damaged again, is from '
  'the input, and how unusual a face it is. Less is better; compare it within one run only.',
  'settled': 'the step after which the loss hardly fell.',
  'weight': 'how much a usual face counted against one that matches the input.',
  'seconds': 'the time that the search took, as this face’s share of its batch.',
}
_TITLES = {'psnr': 'PSNR', 'ssim': 'SSIM'}


class Table(NamedTuple):
  """The figures of one face."""

  heads: list[str]
  rows: dict[str, list[str]]  # title -> one cell under each head


class Figures(NamedTuple):
  """What is known of one face in numbers."""

  table: Table | None
  facts: dict[str, str]  # kind, as `card.html` lists them -> what it says
  names: set[str]  # of all of them


def figures(record: dict, restored: str) -> Figures:
  """A record's figures; `restored` is what its result is called."""
  metrics = section(record, 'metrics')
  facts = _facts(record)
  return Figures(_table(record, metrics, restored), facts, {*metrics, *facts})


def glossary(found: Iterable[str]) -> dict[str, str]:
  """Term -> meaning, of those that occur among names of figures and labels of pictures."""
  said = ' '.join(found)  # 'identity_at_flip' and 'psnr_degraded' are explained, too
  return {_TITLES.get(term, term): text for term, text in GLOSSARY.items() if term in said}


def figure_text(metric: str, value: float) -> str:
  """'24.1', '0.77'."""
  decimals = _DECIMALS.get(metric)
  return f'{value:.4g}' if decimals is None else f'{value:.{decimals}f}'


def gain_text(metric: str, before: float, after: float) -> str:
  """'+3.8'; a true minus sign."""
  decimals = _DECIMALS.get(metric)
  gain = after - before
  shown = f'{gain:+.4g}' if decimals is None else f'{gain:+.{decimals}f}'
  return shown.replace('-', '−')


def with_unit(metric: str, shown: str) -> str:
  """'24.1 dB'."""
  unit = _UNITS.get(metric)
  return f'{shown} {unit}' if unit else shown


def _facts(record: dict) -> dict[str, Any]:
  facts = {}
  if (hidden := number(record.get('hidden'))) is not None:
    facts['hidden'] = f'{100 * hidden:.3g} %'
  if (loss := number(record.get('loss'))) is not None:
    facts['loss'] = f'{loss:.4g}'
  settled, steps = number(record.get('settled_at')), number(record.get('num_steps'))
  if settled is not None:
    facts['settled'] = f'{settled:g}' if steps is None else f'{settled:g} of {steps:g}'
  if (weight := number(record.get('latent_dist_reg_weight'))) is not None:
    facts['weight'] = f'{weight:g}'
  if (seconds := number(record.get('seconds'))) is not None:
    facts['seconds'] = f'{seconds:.3g}'
  return facts


def _table(record: dict, metrics: dict, restored: str) -> Table | None:
  """The figures as a table; without a column for a kind of picture that was not measured."""
  names = [m for m in metrics if not m.endswith(tuple(filter(None, ENDINGS.values())))]
  rows = {metric: by_kind(metrics, metric) for metric in names}
  rows = {m: row for m, row in rows.items() if row['restored'] is not None}
  kinds = [kind for kind in _COLUMNS if any(row[kind] is not None for row in rows.values())]
  if not kinds:
    return None
  return Table(
    [restored if kind == 'restored' else kind for kind in kinds],
    {_title(m, record): [_cell(m, row[kind]) for kind in kinds] for m, row in rows.items()},
  )


def _cell(metric: str, value: float | None) -> str:
  return '–' if value is None else figure_text(metric, value)


def _title(metric: str, record: dict) -> str:
  """'PSNR over the crop, dB'; what the latent tasks measure has names of several words instead."""
  title = _TITLES.get(metric, metric.replace('_', ' '))
  if metric in _TITLES:
    title += ' over the crop'
  elif metric == 'fidelity':
    # Earlier versions, whose records do not say what is hidden, took the holes along.
    title += ' over what shows' if 'hidden' in record else ' over the crop'
  return f'{title}, {_UNITS[metric]}' if metric in _UNITS else title
