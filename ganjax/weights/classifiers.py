"""Loads and saves attribute classifiers."""

import dataclasses
import os
import pathlib
from typing import Any, NamedTuple

import numpy as np

from ganjax.faces.template import Template
from ganjax.models.classifier import Classifier, ClassifierConfig
from ganjax.models.initialisation import abstract
from ganjax.weights import tensor_file
from ganjax.weights.parameters import assign, tensors_of

DEFAULT_CLASSIFIER = pathlib.Path(__file__).parent / 'under21.safetensors'
_FAMILY = 'classifier'


class Attribute(NamedTuple):
  """A classifier with what came with it."""

  classifier: Classifier
  template: Template  # the crop that it was trained on
  sha256: str

  @property
  def classes(self) -> tuple[str, ...]:
    return self.classifier.config.classes

  @property
  def target(self) -> str:
    return self.classifier.config.target

  def fits(self, template: Template) -> bool:
    """Whether a generator crops faces as the pictures that the classifier learned from."""
    return np.allclose(template, self.template, atol=1e-3)

  def check(self, template: Template, path: str | None) -> None:
    """Raises WeightsError where the generator crops faces in another way than the classifier."""
    if not self.fits(template):
      raise tensor_file.WeightsError(
        f'{path or "the bundled classifier"}: was trained on another crop of the face than this '
        'generator draws; train one with --task=train_classifier and these --weights'
      )


def load_classifier(path: str | os.PathLike | None = None) -> Attribute:
  """Loads what `save_classifier` wrote; None for the bundled classifier of age.

  Raises:
    WeightsError: the file is missing, broken, no classifier, or its tensors do not fit its header.
  """
  path = DEFAULT_CLASSIFIER if path is None else path
  tensors, header = tensor_file.read_family(path, _FAMILY)
  with tensor_file.reading_header(path):
    entry = dict(header['classifier'])
    lists = {name: tuple(entry[name]) for name in ('classes', 'widths')}
    classifier = abstract(Classifier, ClassifierConfig(**{**entry, **lists}))
    template = Template(**header['template'])
  assign({'': classifier}, tensors, path)
  return Attribute(classifier, template, tensor_file.sha256(path))


def save_classifier(
  path: str | os.PathLike,
  classifier: Classifier,
  template: Template,
  provenance: dict[str, Any],
) -> None:
  """Writes a classifier; its weights as float16, which is exact enough and half the size."""
  named = tensors_of({'': classifier}).items()
  tensors = {name: value.astype(np.float16) for name, value in named}
  header = {
    'family': _FAMILY,
    'classifier': dataclasses.asdict(classifier.config),
    'template': template._asdict(),
    'provenance': provenance,
  }
  tensor_file.save(path, tensors, header)
