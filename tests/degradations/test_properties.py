"""What every degradation must satisfy, over one list of them."""

import functools
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ganjax.degradations import parse, stack
from ganjax.pixels import to_float

PICTURE = pathlib.Path(__file__).resolve().parents[2] / 'scripts' / 'demo' / 'astronaut.png'
HEIGHT, WIDTH = 64, 96


class Case(NamedTuple):
  spec: str
  other: str  # the same structure with other parameters
  psnr: float  # the least PSNR between true and model form, dB (of their means, where random)
  affine: bool = True
  random: bool = False
  shape: tuple[int, int] = (HEIGHT, WIDTH)


CASES = [
  Case('identity', 'identity', 58),
  Case('blur(kernel_size=25, variance=7)', 'blur(kernel_size=5, variance=0.5)', 58),
  Case('grayscale(mode=luma)', 'grayscale(mode=luma)', 58),
  Case('mask(box=10:30:0:50, box=0.5:0.75:0.25:1.0)', 'mask(box=1:2:3:4, box=0.1:0.2:0.1:0.9)', 58),
  Case('mask(box=10:30:0:50)', 'mask(box=0.5:0.75:0.25:1.0, box=1:4:1:4)', 58),
  Case('mask(missing=0.5)', 'mask(missing=0.1)', 58),
  Case('mask(boxes=2, size=0.293)', 'mask(boxes=1, size=0.5)', 58),
  Case('mask(strokes=5, width=0.08)', 'mask(strokes=1, width=0.2)', 58),
  Case(
    'downsample(factor=4, filter=area)', 'downsample(factor=4, filter=area)', 58, shape=(16, 24)
  ),
  Case('downsample(factor=2)', 'downsample(factor=2)', 27, shape=(32, 48)),
  Case(
    'downsample(factor=2, filter=lanczos)',
    'downsample(factor=2, filter=bilinear)',
    40,
    affine=False,  # it overshoots, and is clipped
    shape=(32, 48),
  ),
  Case('noise(sigma=0.1)', 'noise(sigma=0.3)', 30, affine=False, random=True),
  Case('noise(photons=24, drop=0.16)', 'noise(photons=96, drop=0)', 25, affine=False, random=True),
  Case('jpeg(quality=12)', 'jpeg(quality=90)', 35, affine=False),
  Case('blur(kernel_size=9, variance=3) | mask(box=4:9:4:9)', 'blur | mask(box=1:2:3:4)', 58),
  Case('mask(box=10:30:5:50) | blur | grayscale', 'mask(box=1:2:3:4) | blur | grayscale', 58),
  Case(
    'downsample(factor=2) | noise(photons=48, drop=0.08) | jpeg(quality=15) | mask(strokes=9)',
    'downsample(factor=2) | noise(photons=12, drop=0.32) | jpeg(quality=9) | mask(strokes=13)',
    20,
    affine=False,
    random=True,
    shape=(32, 48),
  ),
]
EVERY = pytest.mark.parametrize('case', CASES, ids=[case.spec for case in CASES])
AFFINE = [case for case in CASES if case.affine]
EVERY_AFFINE = pytest.mark.parametrize('case', AFFINE, ids=[case.spec for case in AFFINE])
SINGLE = [case for case in CASES if '|' not in case.spec]
KEY = jax.random.key(7)


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
  with Image.open(PICTURE) as picture:
    square = picture.convert('RGB').resize((128, 128), Image.Resampling.LANCZOS)
  return to_float(np.asarray(square))[:HEIGHT, :WIDTH]


def sampled(spec):
  return parse(spec).sample(jax.random.key(3))


def eager(operator, image, key):
  return operator.model(image, key)


# Compiled once per case, and shared by the tests.
apply = jax.jit(eager)


@functools.partial(jax.jit, static_argnums=1)
def visible_of(operator, shape):
  return operator.visible(*shape)


def psnr(first, second):
  return 10 * np.log10(4 / max(np.mean(np.square(first - second)), 1e-12))


def assert_same(first, second, spec):
  """Equal to float32's accuracy; a codec's rounding may go either way at rare ties."""
  first, second = np.asarray(first), np.asarray(second)
  assert first.shape == second.shape
  if 'jpeg' in spec:
    assert np.mean(np.abs(first - second)) < 1e-3
  else:
    np.testing.assert_allclose(first, second, rtol=0, atol=2e-6)


@EVERY
def test_both_forms_have_the_output_shape_type_and_range(case, picture):
  operator = sampled(case.spec)
  operator.check(HEIGHT, WIDTH)
  assert operator.output_shape(HEIGHT, WIDTH) == case.shape
  model = apply(operator, jnp.asarray(picture), KEY)
  true = operator.true(picture, KEY)
  for image in (model, true):
    assert image.shape == (*case.shape, 3)
    assert image.dtype == np.float32
    assert np.all(np.isfinite(image))
    assert np.max(np.abs(image)) <= 1 + 1e-5
  assert isinstance(true, np.ndarray)
  visible = visible_of(operator, case.shape)
  assert visible.shape == (*case.shape, 1)
  assert visible.dtype == np.float32
  assert set(np.unique(visible)) <= {0.0, 1.0}


@EVERY
def test_true_form_lies_on_8_bits_and_leaves_its_input_alone(case, picture):
  before = picture.copy()
  levels = (sampled(case.spec).true(picture, KEY) + 1) * 127.5
  np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
  np.testing.assert_array_equal(picture, before)


@EVERY
def test_model_form_agrees_with_true_form(case, picture):
  operator = sampled(case.spec)
  keys = jax.random.split(KEY, 48 if case.random else 1)
  model = jax.vmap(apply, in_axes=(None, None, 0))(operator, jnp.asarray(picture), keys)
  true = [operator.true(picture, key) for key in keys]
  assert psnr(np.mean(model, axis=0), np.mean(true, axis=0)) > case.psnr


@EVERY
def test_drawn_and_expected_are_the_model_and_what_is_expected(case, picture):
  operator, image = sampled(case.spec), jnp.asarray(picture)
  drawn, expected = jax.jit(lambda o, *rest: o.drawn_and_expected(*rest))(operator, image, KEY)
  assert_same(drawn, apply(operator, image, KEY), case.spec)
  assert_same(expected, jax.jit(lambda o, x: o.expected(x))(operator, image), case.spec)
  assert case.random != np.array_equal(drawn, expected)


@pytest.mark.parametrize('case', SINGLE, ids=[case.spec for case in SINGLE])
def test_jit_gives_what_eager_gives(case, picture):
  operator, image = sampled(case.spec), jnp.asarray(picture)
  assert_same(apply(operator, image, KEY), eager(operator, image, KEY), case.spec)


@EVERY
def test_batch_of_parameters_gives_what_one_by_one_gives(case, picture):
  specs = [case.spec, case.other]
  images = jnp.asarray(np.stack([picture, picture[::-1]]))
  keys = jax.random.split(KEY, len(specs))

  @jax.jit
  @jax.vmap
  def degrade(operator, image, key):
    operator = operator.sample(key)
    return operator.model(image, key), operator.visible(*case.shape)

  batch = degrade(stack([parse(spec) for spec in specs]), images, keys)
  for index, spec in enumerate(specs):
    operator = parse(spec).sample(keys[index])
    assert_same(batch[0][index], apply(operator, images[index], keys[index]), spec)
    np.testing.assert_array_equal(batch[1][index], visible_of(operator, case.shape))


@EVERY
def test_key_decides_everything(case, picture):
  operator, image = sampled(case.spec), jnp.asarray(picture)
  for form in (lambda key: apply(operator, image, key), lambda key: operator.true(picture, key)):
    first, again, other = form(KEY), form(KEY), form(jax.random.key(8))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) != case.random


@EVERY
def test_gradient_reaches_the_picture(case, picture):
  operator, image = sampled(case.spec), jnp.asarray(picture)
  gradient = jax.jit(jax.grad(lambda image: jnp.sum(operator.model(image, KEY) ** 2)))(image)
  assert np.all(np.isfinite(gradient))
  assert np.mean(np.abs(gradient)) > 1e-3


@EVERY
def test_spec_round_trip(case):
  operator = parse(case.spec)
  again = parse(str(operator))
  assert str(again) == str(operator)
  assert jax.tree.structure(again) == jax.tree.structure(operator)
  for leaf, other in zip(jax.tree.leaves(operator), jax.tree.leaves(again), strict=True):
    np.testing.assert_array_equal(leaf, other)
    assert leaf.dtype == other.dtype


@EVERY_AFFINE
def test_affine_model_keeps_averages(case, picture):
  operator = sampled(case.spec)
  first, second = jnp.asarray(picture), jnp.asarray(np.flip(picture, (0, 1, 2)))
  mixed = apply(operator, 0.3 * first + 0.7 * second, KEY)
  expected = 0.3 * apply(operator, first, KEY) + 0.7 * apply(operator, second, KEY)
  np.testing.assert_allclose(mixed, expected, atol=2e-6)


@EVERY_AFFINE
def test_vjp_is_the_adjoint(case, picture):
  operator, image = sampled(case.spec), jnp.asarray(picture)
  rng = np.random.default_rng(0)
  direction = jnp.asarray(rng.standard_normal(picture.shape), jnp.float32)
  weights = jnp.asarray(rng.standard_normal((*case.shape, 3)), jnp.float32)
  # The model is affine, so a finite step is the exact derivative.
  moved = apply(operator, image + direction, KEY) - apply(operator, image, KEY)
  _, pull = jax.vjp(lambda image: apply(operator, image, KEY), image)
  forward = np.vdot(np.asarray(moved, np.float64), np.asarray(weights, np.float64))
  backward = np.vdot(np.asarray(direction, np.float64), np.asarray(pull(weights)[0], np.float64))
  assert forward == pytest.approx(backward, rel=1e-4, abs=1e-3)
