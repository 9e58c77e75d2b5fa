"""What tells a real face from a smear."""

import jax
import numpy as np
import pytest
import tiny

from ganjax import faces
from ganjax.models.architecture import DiscriminatorConfig
from ganjax.models.discriminator import Discriminator
from ganjax.pixels import to_float
from ganjax.restoration import realism


def first_pixels(image):
  """Stands for Inception."""
  return image[0, :3].reshape(-1)


@pytest.fixture(scope='module')
def networks():
  discriminator = tiny.trained(Discriminator, DiscriminatorConfig(8, (6, 4)), seed=1)
  return realism.Networks(discriminator, jax.tree_util.Partial(first_pixels))


@pytest.fixture
def images():
  return list(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8))


def test_each_image_is_seen_alone_in_whatever_batch(networks, images, monkeypatch):
  together = realism.appearances(networks, images)
  monkeypatch.setattr(realism, 'BATCH', 2)  # the last one is filled up
  in_twos = realism.appearances(networks, images)
  for one, other, image in zip(together, in_twos, images, strict=True):
    assert one.score == pytest.approx(other.score, rel=1e-5)
    assert np.mean(one.features['discriminator'] ** 2) == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(one.features['inception'], first_pixels(to_float(image)), atol=1e-6)
    assert one.landmarks is None
  assert realism.appearances(networks, []) == []


def test_the_last_features_are_what_is_scored(networks, images):
  seen = realism.appearances(networks, images)
  features = jax.jit(lambda network, image: network.last_features(image))
  for one, image in zip(seen, images, strict=True):
    own = features(networks.discriminator, to_float(image))
    score = float(networks.discriminator.b4.out(own)[0])
    assert one.score == pytest.approx(score, rel=1e-4, abs=1e-5)
    scale = np.sqrt(np.mean(own**2))
    np.testing.assert_allclose(one.features['discriminator'] * scale, own, rtol=1e-3, atol=1e-5)


def test_nothing_is_said_without_networks(images):
  seen = realism.appearances(realism.Networks(), images)
  assert all(one.score is None and one.features == {} for one in seen)
  assert realism.frechet_distances(seen, seen) == {}
  assert realism.kernel_distances(seen, seen) == [{}] * 3
  assert realism.compare(seen[0], seen[0]) == {'sharpness': 1}


def test_distances_are_of_sets(networks, images):
  seen = realism.appearances(networks, images)
  found = realism.frechet_distances(seen, seen[::-1])
  assert found == {name: pytest.approx(0, abs=1e-6) for name in found}
  assert set(found) == {'frechet_discriminator', 'frechet_inception'}
  shares = realism.kernel_distances(seen, seen[::-1])
  assert [set(one) for one in shares] == [{'kernel_discriminator', 'kernel_inception'}] * 3
  assert sum(one['kernel_inception'] for one in shares) != 0
  assert realism.frechet_distances(seen[:1], seen[:1]) == realism.frechet_distances([], []) == {}
  assert realism.kernel_distances(seen[:2], seen[:2]) == [{}, {}]
  assert realism.kernel_distances([], []) == []


def test_an_image_is_compared_with_its_truth(make_landmarks):
  truth = realism.Appearance(0.2, 1.0, {}, make_landmarks(0))
  moved = realism.Appearance(0.1, -1.0, {}, make_landmarks(2))
  told = realism.compare(moved, truth)
  eyes = faces.worse_eye(moved.landmarks, truth.landmarks)
  assert told == {'sharpness': 0.5, 'score': -1, 'score_truth': 1, 'faceless': 0, 'eyes': eyes}
  smear = realism.compare(moved._replace(landmarks=None), truth)
  assert smear['faceless'] == 1
  assert 'eyes' not in smear
  assert 'faceless' not in realism.compare(moved, truth._replace(landmarks=None))
  assert 'sharpness' not in realism.compare(moved, truth._replace(gradient=0.0))


@pytest.fixture
def make_landmarks():
  """Landmarks whose left eye is off by some pixels."""

  def make(offset):
    landmarks = np.zeros((68, 2))
    landmarks[42:48] = (50, 0)
    landmarks[36:42] += offset
    return landmarks

  return make
