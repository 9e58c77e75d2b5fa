import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.degradations import (
  Blur,
  DegradationError,
  Downsample,
  GaussianNoise,
  Grayscale,
  Identity,
  Jpeg,
  Pipeline,
  parse,
  stack,
)
from ganjax.degradations.masks import base
from ganjax.pixels import to_bytes, to_float

KEY = jax.random.key(0)
IMAGE = np.random.default_rng(0).uniform(-1, 1, (64, 64, 3)).astype(np.float32)


def test_operators_apply_left_to_right():
  image = jnp.asarray(IMAGE)
  pipeline = parse('mask(box=8:40:8:40) | blur(kernel_size=9, variance=4)')
  masked, blur = pipeline.operators
  expected = blur.model(masked.model(image, KEY), KEY)
  np.testing.assert_array_equal(pipeline.model(image, KEY), expected)
  swapped = blur.model(image, KEY)
  assert np.abs(np.asarray(masked.model(swapped, KEY) - expected)).max() > 0.1


def test_bar_joins_operators_and_pipelines_flat():
  joined = Blur.create() | Grayscale.create() | (Identity() | Downsample.create(2))
  assert isinstance(joined, Pipeline)
  assert [type(operator) for operator in joined.operators] == [
    Blur,
    Grayscale,
    Identity,
    Downsample,
  ]


@pytest.mark.parametrize(
  ('spec', 'hidden'),
  [
    ('mask(box=0:8:0:8)', 64),
    ('mask(box=0:8:0:8) | grayscale', 64),
    ('mask(box=0:8:0:8) | mask(box=8:16:8:16) | noise(sigma=0.1)', 128),
    ('blur(kernel_size=5) | mask(box=0:8:0:8)', 64),
    ('downsample(factor=4) | mask(box=0:8:0:8)', 64),
    ('mask(box=0:8:0:8) | blur(kernel_size=5)', 0),
    ('mask(box=0:8:0:8) | downsample(factor=2)', 0),
    ('mask(box=0:8:0:8) | jpeg', 0),
    ('mask(box=0:8:0:8) | jpeg | mask(box=0:4:0:4)', 16),
    ('identity', 0),
  ],
)
def test_only_masks_that_nothing_smears_are_holes(spec, hidden, monkeypatch):
  pipeline = parse(spec)
  visible = np.asarray(pipeline.visible(*pipeline.output_shape(64, 64)))
  assert np.sum(visible == 0) == hidden
  # Where the output is visible, a hole's colour shows only if the mask is a part of the operator.
  black = pipeline.model(jnp.asarray(IMAGE), KEY)
  monkeypatch.setattr(base, 'BLACK', 0.5)
  grey = pipeline.model(jnp.asarray(IMAGE), KEY)
  leaks = np.any(np.asarray(black != grey) & (visible > 0))
  assert leaks == (spec.startswith('mask') and ('blur' in spec or 'down' in spec or 'jpeg' in spec))


def test_check_follows_the_size_through_the_pipeline():
  parse('downsample(factor=4) | blur(kernel_size=15)').check(64, 64)
  with pytest.raises(DegradationError, match='larger than the 16×16 picture'):
    parse('downsample(factor=4) | blur(kernel_size=17)').check(64, 64)
  with pytest.raises(DegradationError, match='lies outside the 16×16 picture'):
    parse('downsample(factor=4) | mask(box=0:20:0:8)').true(IMAGE, KEY)


def test_operators_of_one_kind_draw_different_noise():
  flat = jnp.zeros((32, 32, 3))
  pipeline = parse('noise(sigma=0.1) | noise(sigma=0.1)')
  for noisy in (pipeline.model(flat, KEY), pipeline.true(np.asarray(flat), KEY)):
    assert np.asarray(noisy).std() == pytest.approx(0.2 * np.sqrt(2), rel=0.05)


def test_8_bit_round_trip():
  levels = np.arange(256, dtype=np.uint8)
  np.testing.assert_array_equal(to_bytes(to_float(levels)), levels)
  np.testing.assert_array_equal(to_bytes(np.float32([-9, -1, 0.001, 1, 9])), [0, 0, 128, 255, 255])


def test_sweep_is_a_batch():
  specs = [
    f'blur(kernel_size={size}, variance={variance})' for size in (3, 31) for variance in (1, 30)
  ]
  batch = stack([parse(spec) for spec in specs])
  swept = jax.vmap(lambda damage: damage.model(jnp.asarray(IMAGE), KEY))(batch)
  deviations = np.std(swept, axis=(1, 2, 3))
  assert np.all(np.diff(deviations) != 0)
  for index, spec in enumerate(specs):
    np.testing.assert_allclose(swept[index], parse(spec).model(jnp.asarray(IMAGE), KEY), atol=2e-6)


def test_parsing_and_stacking_keep_float32_and_int32():
  leaves = jax.tree.leaves(stack([parse('blur | jpeg | noise')] * 2))
  assert {leaf.dtype.name for leaf in leaves} == {'float32', 'int32'}


@pytest.mark.parametrize(
  ('first', 'second'),
  [
    ('blur', 'grayscale'),
    ('blur', 'blur | grayscale'),
    ('blur | grayscale', 'grayscale | blur'),
    ('downsample(factor=2)', 'downsample(factor=4)'),
    ('grayscale(mode=luma)', 'grayscale(mode=mean)'),
  ],
)
def test_unlike_operators_do_not_stack(first, second):
  with pytest.raises(DegradationError, match=r'into one batch.*run them apart'):
    stack([parse(first), parse(second)])


def test_nothing_does_not_stack():
  with pytest.raises(DegradationError, match='nothing to stack'):
    stack([])


def test_stacked_parameters_print_as_lists():
  batch = stack([parse('jpeg(quality=5)'), parse('jpeg(quality=9)')])
  assert str(batch) == 'jpeg(quality=[5 9])'


def test_operators_with_like_fields_are_told_apart():
  alike = Jpeg.create(), GaussianNoise(np.asarray(12, np.int32))
  assert len({jax.tree.structure(operator) for operator in alike}) == 2
  assert jax.tree.structure(alike[0]) != jax.tree.structure(alike[1])
  with pytest.raises(DegradationError, match='they differ in more than their numbers'):
    stack(alike)
