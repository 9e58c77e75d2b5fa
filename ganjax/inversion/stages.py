"""The stages of a preset."""

import dataclasses

from ganjax.inversion.pivotal import PivotalTuning
from ganjax.inversion.presets import PUBLISHED, Preset
from ganjax.inversion.solver import Solver
from ganjax.inversion.stylegan import StyleGANInversion


def stages_of(preset: Preset) -> tuple[Solver, ...]:
  """One for each of its phases, and pivotal tuning where the preset has it."""
  # Programs are known by their stage: presets that differ in nothing that it does share them.
  bare = dataclasses.replace(
    preset, hyper=PUBLISHED, tuning=None, begins_with_encoder=True, warm=None
  )
  found: list[Solver] = [StyleGANInversion(bare, i) for i in range(len(preset.phases))]
  if preset.tuning is not None:
    found.append(PivotalTuning(preset.tuning, preset.phases[-1].space))
  return tuple(found)
