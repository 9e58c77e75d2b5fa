"""Sweeps: every combination of some hyperparameters and degradation parameters, as one batch."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ganjax.degradations import DegradationError, Pipeline, parse
from ganjax.errors import GanjaxError
from ganjax.inversion.presets import Hyper
from ganjax.inversion.problem import Problem, typed

EXAMPLE = 'latent_dist_reg_weight=0.001,0.1,0.5; blur.variance=3,7,12'


class SweepError(GanjaxError):
  """A sweep that cannot be run; the message is one line and names the remedy."""


class Axis(NamedTuple):
  """What is varied, and through which values; as written."""

  name: str
  values: tuple[str, ...]


def axes(spec: str) -> list[Axis]:
  """Reads a sweep such as 'latent_dist_reg_weight=0.001,0.1; blur.variance=3,7,12'.

  Raises:
    SweepError: a part is not of the form name=value,value,…, or a name comes twice.
  """
  found: list[Axis] = []
  for part in filter(None, (part.strip() for part in spec.split(';'))):
    name, equals, values = (x.strip() for x in part.partition('='))
    listed = tuple(value.strip() for value in values.split(','))
    if not name or not equals or not all(listed):
      raise SweepError(f'{part!r} is no name=value,value,…: write for example {EXAMPLE}')
    if name in {axis.name for axis in found}:
      raise SweepError(f'{name} is given twice: keep one')
    found.append(Axis(name, listed))
  if not found:
    raise SweepError(f'the sweep is empty: write for example {EXAMPLE}')
  return found


def settings(found: Sequence[Axis]) -> list[dict[str, str]]:
  """All combinations, the last axis running fastest."""
  rows = itertools.product(*(axis.values for axis in found))
  return [dict(zip([axis.name for axis in found], row, strict=True)) for row in rows]


def hyper(base: Hyper, setting: dict[str, str]) -> Hyper:
  """The hyperparameters of one combination.

  Raises:
    SweepError: a value is no number, or out of range.
  """
  changes: dict[str, Any] = {}
  for name, value in setting.items():
    if name not in Hyper._fields:
      continue
    try:
      number = float(value)
    except ValueError:
      number = -1.0
    least = 1 if name == 'num_steps' else 0
    if not least <= number < float('inf') or (name == 'num_steps' and number != int(number)):
      raise SweepError(f'{name}={value}: give numbers, {least} or more')
    if name == 'fidelity' and number > 1:
      raise SweepError(f'fidelity={value}: give numbers from 0 to 1')
    changes[name] = int(number) if name == 'num_steps' else number
  return base._replace(**changes)


def degradation(
  base: Pipeline, setting: dict[str, str], others: Sequence[str] = Hyper._fields
) -> Pipeline:
  """The assumed degradation of one combination.

  Args:
    base: the degradation without a sweep.
    setting: one of `settings`.
    others: names that may occur in it but are no part of the degradation.

  Raises:
    SweepError: a name is neither a hyperparameter nor operator.parameter of the degradation, or
      the parameter cannot take the value.
  """
  spec = str(base)
  for name, value in setting.items():
    if name not in others:
      spec = _replaced(spec, name, value, others)
  try:
    return parse(spec)
  except DegradationError as error:
    raise SweepError(str(error)) from error


def _replaced(spec: str, name: str, value: str, others: Sequence[str]) -> str:
  """A spec with one argument of the first operator of a name replaced."""
  operator, _, argument = name.partition('.')
  parts = spec.split(' | ')
  for i, part in enumerate(parts):
    head, _, inside = part.partition('(')
    pairs = dict(pair.split('=', 1) for pair in inside.rstrip(')').split(', ') if pair)
    if head == operator and argument in pairs:
      pairs[argument] = value
      parts[i] = f'{head}({", ".join(f"{k}={v}" for k, v in pairs.items())})'
      return ' | '.join(parts)
  raise SweepError(
    f'{name} is neither a hyperparameter ({", ".join(others)}) nor, as '
    f"'operator.parameter', a part of {spec}"
  )


def problem(base: Problem, assumed: Pipeline, numbers: Hyper) -> Problem:
  """One combination's problem; the image, its key and its start are the base's."""
  assumed = assumed.observed(np.asarray(base.target))
  return base._replace(
    visible=assumed.visible(*base.target.shape[:2]),
    degradation=assumed,
    hyper=typed(numbers),
  )
