"""Configurations of `classify` and `train_classifier`."""

import dataclasses
from typing import ClassVar

from ganjax.tasks.config import FacesConfig, WithClassifier, WithSeed, WithSteps, WithTargetClass


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyConfig(WithClassifier, FacesConfig):
  """One run of `classify`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(WithTargetClass, WithSteps, WithSeed, FacesConfig):
  """One run of `train_classifier`."""

  DEFAULTS: ClassVar = {'num_steps': 1500, 'learning_rate': 2e-3}
