"""The stages of a preset."""

from ganjax.inversion.pivotal import PivotalTuning
from ganjax.inversion.presets import Preset
from ganjax.inversion.solver import Solver
from ganjax.inversion.stylegan import StyleGANInversion


def stages_of(preset: Preset) -> tuple[Solver, ...]:
  """One for each of its phases, and pivotal tuning where the preset has it."""
  found: list[Solver] = [StyleGANInversion(preset, i) for i in range(len(preset.phases))]
  if preset.tuning is not None:
    found.append(PivotalTuning(preset.tuning, preset.phases[-1].space))
  return tuple(found)
