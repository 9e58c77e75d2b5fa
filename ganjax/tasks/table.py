"""The table of tasks: what each is for, where its settings are declared, and what runs it.

A new task is a line here and a module with a configuration (see `config.Config`) and
`run(config) -> number of failures`. Help and errors import the settings of all tasks, so where
running one needs JAX, its settings go into a module of their own.
"""

import importlib
from collections.abc import Callable
from typing import NamedTuple

from ganjax.tasks.config import Config


class Task(NamedTuple):
  """One line of the table."""

  name: str
  summary: str
  settings: str  # module:class
  module: str  # that has `run`

  def kind(self) -> type[Config]:
    """The class of its configurations."""
    module, _, name = self.settings.partition(':')
    return getattr(importlib.import_module(module), name)

  def run(self) -> Callable[[Config], int]:
    """What runs a configuration and returns the number of failures."""
    return importlib.import_module(self.module).run


_TASKS = 'ganjax.tasks'
_RESTORE = f'{_TASKS}.restore_config:RestoreConfig', f'{_TASKS}.restore'
_CLASSIFY, _LATENT = f'{_TASKS}.latent.classify_config', f'{_TASKS}.latent.latent_config'

GROUPS: dict[str, tuple[Task, ...]] = {
  'Restore faces': (
    Task('invert', 'find the latent of a face', *_RESTORE),
    Task('deblur', 'blurred photos', *_RESTORE),
    Task('colorize', 'grey photos', *_RESTORE),
    Task('inpaint', 'photos with holes', *_RESTORE),
    Task('super_resolve', 'small photos', *_RESTORE),
    Task('denoise', 'noisy photos', *_RESTORE),
    Task('dejpeg', 'over-compressed photos', *_RESTORE),
    Task('restore', 'any damage that --degradation can say', *_RESTORE),
  ),
  'Restore in other ways': (
    Task(
      'serve',
      'a web page on this machine, with a brush',
      f'{_TASKS}.serve_config:ServeConfig',
      f'{_TASKS}.serve',
    ),
    Task(
      'deep_prior',
      'any photo, with an untrained network',
      f'{_TASKS}.deep_prior_config:DeepPriorTaskConfig',
      f'{_TASKS}.deep_prior',
    ),
    Task(
      'pix2pix_predict',
      'in one pass, with a network made by pix2pix_train',
      f'{_TASKS}.pix2pix_predict_config:Pix2pixPredictConfig',
      f'{_TASKS}.pix2pix_predict',
    ),
  ),
  'Many at once': (
    Task(
      'bulk',
      'whole data sets, on many devices and hosts',
      f'{_TASKS}.bulk_config:BulkConfig',
      f'{_TASKS}.bulk',
    ),
    Task(
      'sweep',
      'every combination of some settings',
      f'{_TASKS}.sweep_config:SweepConfig',
      f'{_TASKS}.sweep',
    ),
    Task(
      'evaluate',
      'measure tasks, levels of damage and methods',
      f'{_TASKS}.evaluate_config:EvaluateConfig',
      f'{_TASKS}.evaluate',
    ),
  ),
  'Latent space': (
    Task(
      'generate',
      'faces by seed, tables of truncation and of mixed styles',
      f'{_TASKS}.generate_config:GenerateConfig',
      f'{_TASKS}.generate',
    ),
    Task(
      'interpolate',
      'go from one face to the next',
      f'{_LATENT}:InterpolateConfig',
      f'{_TASKS}.latent.interpolate',
    ),
    Task(
      'direction',
      'find directions of latent space',
      f'{_LATENT}:DirectionConfig',
      f'{_TASKS}.latent.direction',
    ),
    Task(
      'traverse',
      'walk faces along directions',
      f'{_LATENT}:TraverseConfig',
      f'{_TASKS}.latent.traverse',
    ),
    Task(
      'classify',
      'tell an attribute of faces',
      f'{_CLASSIFY}:ClassifyConfig',
      f'{_TASKS}.latent.classify',
    ),
  ),
  'Train': (
    Task(
      'train_generator',
      'a StyleGAN2, anew or from given weights',
      f'{_TASKS}.train.stylegan2_config:TrainGeneratorConfig',
      f'{_TASKS}.train.stylegan2',
    ),
    Task(
      'pix2pix_train',
      'a network that fills holes, or undoes other damage',
      f'{_TASKS}.train.pix2pix_config:Pix2pixTrainConfig',
      f'{_TASKS}.train.pix2pix',
    ),
    Task(
      'train_encoder',
      'a network that finds latents in one pass, for any generator',
      f'{_TASKS}.train.encoder_config:TrainEncoderConfig',
      f'{_TASKS}.train.encoder',
    ),
    Task(
      'train_classifier',
      'a classifier of another attribute',
      f'{_CLASSIFY}:TrainConfig',
      f'{_TASKS}.latent.classify',
    ),
  ),
  'Files': (
    Task('align', 'find faces and crop them', f'{_TASKS}.config:FacesConfig', f'{_TASKS}.align'),
    Task(
      'report',
      'one page over the results of several runs',
      f'{_TASKS}.report_config:ReportConfig',
      f'{_TASKS}.report',
    ),
  ),
}
TASKS = {task.name: task for group in GROUPS.values() for task in group}
