"""Interpolation, directions and walks on latents whose truth is planted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax import editing
from ganjax.editing import sampling

RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize('method', ['linear', 'spherical'])
@pytest.mark.parametrize('shape', [(8,), (6, 8)])
def test_ends_of_an_interpolation_are_exact(method, shape):
  start, end = normal(*shape), normal(*shape)
  path = editing.interpolate(
    jnp.asarray(start), jnp.asarray(end), jnp.linspace(0.0, 1.0, 7), method
  )
  assert path.shape == (7, *shape)
  np.testing.assert_array_equal(path[0], start)
  np.testing.assert_array_equal(path[-1], end)


def test_an_arc_keeps_the_length_and_goes_at_one_pace():
  start, end = (x / np.linalg.norm(x) for x in (normal(16), normal(16)))
  path = editing.interpolate(
    jnp.asarray(start), jnp.asarray(end), jnp.linspace(0.0, 1.0, 9), 'spherical'
  )
  np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1.0, rtol=1e-5)
  steps = editing.step_lengths(path)
  np.testing.assert_allclose(steps, np.mean(steps), rtol=1e-4)
  chord = editing.interpolate(jnp.asarray(start), jnp.asarray(end), jnp.linspace(0.0, 1.0, 9))
  assert np.sum(steps) > np.sum(editing.step_lengths(chord))


@pytest.mark.parametrize('factor', [1.0, -1.0, 0.0])
def test_where_no_arc_is_the_right_one_it_is_the_line(factor):
  start = jnp.asarray(normal(5))
  path = editing.interpolate(start, factor * start, jnp.float32([0.0, 0.5, 1.0]), 'spherical')
  np.testing.assert_allclose(path[1], (1 + factor) / 2 * start, atol=1e-5)


def test_interpolation_maps_over_pairs():
  starts, ends = jnp.asarray(normal(3, 8)), jnp.asarray(normal(3, 8))
  shares = jnp.linspace(0.0, 1.0, 5)
  function = functools.partial(editing.interpolate, method='spherical')
  paths = jax.vmap(function, (0, 0, None))(starts, ends, shares)
  np.testing.assert_allclose(paths[1], function(starts[1], ends[1], shares), rtol=1e-6)


def planted(space, networks, count=3000):
  """Latents of a space, and scores that a direction of it decides, less some noise."""
  generator = networks.generator
  z = jnp.asarray(normal(count, 2, generator.config.z_dim))
  draw = jax.jit(jax.vmap(lambda z: editing.sample(generator, z, 0.7, space=space)))
  points = np.asarray(draw(z))
  truth = normal(*points.shape[1:])
  truth /= np.linalg.norm(truth)
  offsets = (points - points.mean(0)).reshape(count, -1) @ truth.reshape(-1)
  return points, truth, offsets + 0.1 * offsets.std() * normal(count)


@pytest.mark.parametrize('space', editing.SPACES)
def test_a_planted_attribute_is_found(networks, space):
  points, truth, scores = planted(space, networks)
  labels = np.sign(scores).astype(np.int32)
  fit = editing.fit_direction(jnp.asarray(points), jnp.asarray(labels))
  # The rows of a sample of W+ are of two draws only: few of 48 numbers can be told apart.
  assert editing.cosine(fit.normal, jnp.asarray(truth)) > (0.7 if space == 'w_plus' else 0.95)
  assert np.linalg.norm(fit.normal) == pytest.approx(1.0, abs=1e-5)
  assert fit.test_accuracy > 0.93
  assert int(fit.test_counts.sum()) == 900
  side = points.reshape(len(points), -1) @ fit.normal.reshape(-1) + fit.intercept > 0
  assert np.mean(side == (scores > 0)) > 0.9


def test_labels_by_chance_are_not_learned():
  labels = jnp.asarray(RNG.choice([-1, 1], 800))
  fit = editing.fit_direction(jnp.asarray(normal(800, 16)), labels)
  assert abs(fit.test_accuracy - 0.5) < 0.15


def test_fits_map_and_need_both_classes():
  points = jnp.asarray(normal(2, 60, 4))
  labels = jnp.stack([jnp.sign(points[0, :, 0]).astype(jnp.int32), jnp.ones(60, jnp.int32)])
  fits = jax.vmap(editing.fit_direction)(points, labels)
  alone = editing.fit_direction(points[0], labels[0])
  np.testing.assert_array_equal(fits.normal[0], alone.normal)
  assert np.isnan(fits.normal[1]).all()
  assert fits.test_counts[1].sum() == 0


def test_the_surest_answers_are_kept():
  scores = jnp.float32([5, -1, 0.5, -4, 3, -2, -3, 1])
  assert editing.confident(scores, 0.25).tolist() == [1, 0, 0, -1, 1, 0, -1, 0]
  assert editing.confident(scores, 0.5).tolist() == [1, -1, 1, -1, 1, -1, -1, 1]
  mapped = jax.vmap(functools.partial(editing.confident, share=0.25))(jnp.stack([scores, -scores]))
  np.testing.assert_array_equal(mapped[1], -mapped[0])


def test_a_conditional_direction_leaves_the_others_alone():
  direction, first, second = (jnp.asarray(normal(3, 8)) for _ in range(3))
  others = jnp.stack([first, second, first + second])  # one depends on the others
  left = editing.conditional(direction, others)
  for other in others:
    assert abs(editing.cosine(left, other)) < 1e-5
  assert jnp.linalg.norm(left) == pytest.approx(1.0, abs=1e-5)
  assert editing.cosine(left, direction) > 0.5
  assert np.isnan(editing.conditional(first, others)).all()


def test_sefa_finds_what_moves_the_styles_most(networks):
  found = editing.sefa(networks.generator, 3)
  assert found.normals.shape == (3, 8)
  np.testing.assert_allclose(found.normals @ found.normals.T, np.eye(3), atol=1e-5)
  layers = networks.generator.synthesis

  def moved(direction):  # by the layers' own affine maps
    w = jnp.stack([jnp.zeros(8), direction])
    styles = [
      jax.vmap(lambda w, conv=conv: conv.affine(w, conv.weight.shape[3]))(w)
      for block in layers.blocks()
      for conv in (getattr(block, name) for name in block.conv_names())
    ]
    return sum(float(jnp.sum(jnp.square(s[1] - s[0]))) for s in styles)

  assert moved(found.normals[0]) == pytest.approx(float(found.strengths[0]), rel=1e-4)
  others = [moved(jnp.asarray(x / np.linalg.norm(x))) for x in normal(20, 8)]
  assert moved(found.normals[0]) > max(others)
  own = editing.sefa(networks.generator, 1, [0, 1])
  assert abs(editing.cosine(own.normals[0], found.normals[0])) < 0.999
  with pytest.raises(ValueError, match='layer 5'):
    editing.sefa(networks.generator, 1, [5])


def test_pca_finds_the_planted_axes():
  axes = np.linalg.qr(normal(6, 6))[0]
  points = normal(4000, 6) * np.float32([5, 3, 1, 1, 1, 1]) @ axes.T + 2
  found = editing.pca(jnp.asarray(points), 2)
  for i, spread in enumerate([5, 3]):
    assert abs(found.normals[i] @ axes[:, i]) > 0.99
    assert found.strengths[i] == pytest.approx(spread**2, rel=0.1)


def test_walks():
  point, direction = jnp.asarray(normal(6, 8)), jnp.asarray(normal(8))
  steps = jnp.linspace(-3.0, 3.0, 7)
  mask = jnp.asarray(editing.layer_mask([0, 2], 6))
  walk = editing.traverse(point, direction, steps, mask)
  np.testing.assert_array_equal(walk[3], point)  # step 0 is the identity, to the last bit
  np.testing.assert_array_equal(walk[:, 1], jnp.broadcast_to(point[1], (7, 8)))
  np.testing.assert_allclose(walk[6, 2] - point[2], 3 * direction, rtol=1e-4, atol=1e-5)
  many = jax.vmap(editing.traverse, (0, None, None))(point, direction, steps)
  np.testing.assert_allclose(many[2], walk[:, 2], rtol=1e-6)
  with pytest.raises(ValueError, match='layer 6'):
    editing.layer_mask([6], 6)


def test_what_a_walk_did():
  steps = jnp.float32([-1, 0, 1])
  assert editing.flip(jnp.float32([1, 2, -1, -2])) == 2
  assert editing.flip(jnp.float32([1, 2, 1, 2])) == -1
  assert editing.slope(steps, 3 * steps + 1) == pytest.approx(3.0)
  for scores, right in [((-3, -1, 1), True), ((-3, -2, -1), False), ((-1, 1, 2), True)]:
    assert bool(editing.succeeds(jnp.float32(scores))) == right
  assert not editing.succeeds(jnp.float32([1, 1, 2]))
  points = jnp.float32([[0, 0], [3, 4], [6, 8]])
  assert editing.deviation(points, jnp.float32([1, 0])) == pytest.approx(6**0.5)


def test_latents_of_every_space_draw_what_they_stand_for(networks):
  generator = networks.generator
  z = jnp.asarray(editing.seeded(3, 8))
  ws = editing.rows(generator, z, 0.5, space='z')
  np.testing.assert_array_equal(ws, generator.mapping(z, psi=0.5))
  np.testing.assert_array_equal(editing.rows(generator, ws[0], space='w'), ws)
  np.testing.assert_array_equal(editing.rows(generator, ws, space='w_plus'), ws)
  for space in editing.SPACES:
    drawn = editing.sample(generator, jnp.stack([z, -z]), 0.5, space=space)
    assert drawn.shape == sampling.shape(space, generator.config)
