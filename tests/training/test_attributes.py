"""Attribute classifiers learn, are calibrated, and are measured honestly."""

import numpy as np
import pytest
from flax import nnx

from ganjax import weights
from ganjax.faces.template import Template
from ganjax.models.classifier import Classifier, ClassifierConfig
from ganjax.training import attributes

SMALL = ClassifierConfig(('dark', 'light'), 'light', side=16, widths=(8,))


def pictures(count, seed=0):
  """Dark and light ones, one dark to three light."""
  rng = np.random.default_rng(seed)
  labels = (rng.random(count) < 0.75).astype(int)
  base = np.where(labels, 170, 90)[:, None, None, None]
  return np.clip(base + rng.normal(0, 40, (count, 16, 16, 3)), 0, 255).astype(np.uint8), labels


@pytest.fixture(scope='module')
def trained():
  return attributes.fit(SMALL, *pictures(80), num_steps=30, batch_size=16, learning_rate=2e-2)


def test_it_learns_what_is_there(trained):
  images, labels = pictures(60, seed=1)
  logits = attributes.logits_of(trained, images, block=16)
  # The weights are an average over the last hundred steps, of which there were only thirty.
  scores = attributes.log_odds(logits, 1)
  assert scores[labels == 1].min() > scores[labels == 0].max()
  alone = np.asarray(trained(images[3].astype(np.float32) / 127.5 - 1))
  np.testing.assert_allclose(logits[3], alone, atol=1e-5)
  assert trained.score(images[3].astype(np.float32) / 127.5 - 1) == pytest.approx(
    scores[3], abs=1e-5
  )


def test_calibration_finds_how_much_too_sure_it_is():
  classifier = Classifier(SMALL, rngs=nnx.Rngs(3))
  images = np.random.default_rng(0).integers(0, 256, (600, 16, 16, 3)).astype(np.uint8)
  spread = attributes.logits_of(classifier, images)
  centre = spread.mean(axis=0)
  factor = 2 / np.diff(spread - centre, axis=1).std()
  truth = factor * (spread - centre)
  p = 1 / (1 + np.exp(truth[:, 0] - truth[:, 1]))
  labels = (np.random.default_rng(1).random(600) < p).astype(int)
  classifier.out.kernel[...] = classifier.out.kernel[...] * np.float32(3 * factor)
  classifier.out.bias[...] = classifier.out.bias[...] - np.float32(3 * factor) * centre
  fitted = attributes.calibrate(classifier, images, labels)
  assert fitted.config.temperature == pytest.approx(3.0, rel=0.25)
  ours, theirs = (attributes.logits_of(c, images) for c in (fitted, classifier))
  np.testing.assert_allclose(ours * fitted.config.temperature, theirs, rtol=1e-4, atol=1e-4)


def test_accuracy_weighs_classes_alike_and_tells_how_sure_it_is():
  labels = np.array([0] * 90 + [1] * 10)
  answers = np.array([0] * 81 + [1] * 9 + [1] * 5 + [0] * 5)
  logits = np.where(answers[:, None] == [0, 1], 1.0, -1.0)
  found = attributes.measure(logits, labels)
  assert found.confusion.tolist() == [[81, 9], [5, 5]]
  assert found.balanced == pytest.approx(0.7)
  low, high = found.balanced_interval
  assert 0.5 < low < 0.6 < 0.8 < high < 0.9
  assert found.calibration_error == pytest.approx(abs(1 / (1 + np.exp(-2)) - 0.86), abs=1e-6)


def test_wilson():
  # Newcombe 1998, table I: 81 of 263, and 0 of 20.
  assert attributes.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
  assert attributes.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
  assert attributes.wilson(0, 0) == (0.0, 1.0)


def test_a_classifier_survives_its_file(tmp_path, trained):
  template = Template(2.0, 1.8, 0.1)
  weights.save_classifier(tmp_path / 'c.safetensors', trained, template, {'num_steps': 30})
  loaded = weights.load_classifier(tmp_path / 'c.safetensors')
  assert (loaded.classes, loaded.target) == (('dark', 'light'), 'light')
  images, _ = pictures(4)
  np.testing.assert_allclose(
    attributes.logits_of(loaded.classifier, images),
    attributes.logits_of(trained, images),
    atol=0.02,
  )
  assert loaded.fits(template)
  with pytest.raises(weights.WeightsError, match='another crop'):
    loaded.check(Template(2.0, 1.8, 0.2), 'c.safetensors')


def test_the_bundled_classifier_fits_the_bundled_generator():
  attribute = weights.load_classifier()
  assert attribute.classes == ('over21', 'under21')
  assert attribute.target == 'under21'
  attribute.check(weights.load().template, None)
  assert weights.classifiers.DEFAULT_CLASSIFIER.stat().st_size < 2**20
  with pytest.raises(weights.WeightsError, match='holds stylegan2 weights'):
    weights.load_classifier(weights.DEFAULT)


def test_configurations_are_checked():
  with pytest.raises(ValueError, match='two classes'):
    ClassifierConfig(('a',), 'a')
  with pytest.raises(ValueError, match="target 'c'"):
    ClassifierConfig(('a', 'b'), 'c')
