"""What every degradation must satisfy, as functions that a new operator's test calls.

A test of its own is one line: `check('motion_blur(length=9)', other='motion_blur(length=5)')`.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from ganjax.degradations.parameters import DegradationError
from ganjax.degradations.pipeline import Operator, Pipeline, stack
from ganjax.degradations.spec import parse
from ganjax.pixels import to_bytes, to_float

RANDOM_DRAWS = 48  # whose means are compared where a degradation is random
ACCURACY = 2e-6  # of float32 computations that differ in their order alone
TIE_ACCURACY = 1e-3  # on average, where rounding may go either way at rare ties
SMALLEST_GRADIENT = 1e-3  # on average, of the sum of squares
CONSISTENT = 0.5  # of an image's misfit, the most that is left once it is consistent
LEVEL = 2 / 255  # of 8 bits


class Case(NamedTuple):
  """A degradation, and what is claimed of it."""

  spec: str
  other: str  # the same operators with other parameters, to stand in one batch
  psnr: float = 40.0  # the least between true and model form, dB (of their means, where random)
  affine: bool = True  # whether the model form is
  rounds: bool = False  # whether the model form rounds

  @property
  def operator(self) -> Pipeline:
    """The degradation, with what is random in it drawn."""
    return parse(self.spec).sample(jax.random.key(3))

  @property
  def random(self) -> bool:
    """Whether it draws from its key."""
    return any(operator.is_random for operator in parse(self.spec).operators)


Property = Callable[[Case, np.ndarray], None]


def check(
  spec: str,
  other: str | None = None,
  psnr: float = Case._field_defaults['psnr'],
  affine: bool = True,
  rounds: bool = False,
  image: np.ndarray | None = None,
) -> None:
  """Raises AssertionError, which says what is wrong, unless a degradation has all properties.

  Args:
    spec: the degradation; its operators are registered.
    other: the same operators with other parameters; None for the same ones.
    psnr: the least between true and model form, dB; of the means of 48 draws, where it is random.
    affine: whether the model form is an affine map.
    rounds: whether the model form rounds, so that rare ties may go either way.
    image: float32 [H, W, 3] in [-1, 1]; None for `example_image()`.
  """
  case = Case(spec, spec if other is None else other, psnr, affine, rounds)
  image = example_image() if image is None else image
  for one in properties_of(case):
    one(case, image)


def properties_of(case: Case) -> list[Property]:
  """Those that a case must have."""
  found: list[Property] = [
    both_forms_have_the_output_shape_type_and_range,
    sizes_are_those_of_the_model,
    true_form_lies_on_8_bits_and_leaves_its_input_alone,
    model_form_agrees_with_true_form,
    drawn_and_expected_are_the_model_and_what_is_expected,
    jit_gives_what_eager_gives,
    batch_of_parameters_gives_what_one_by_one_gives,
    key_decides_everything,
    gradient_reaches_the_image,
    spec_round_trip,
    unknown_parameters_are_registered,
  ]
  operators = parse(case.spec).operators
  if case.affine:
    found += [affine_model_keeps_averages, vjp_is_the_adjoint]
  if all(operator.is_local for operator in operators):
    found.append(local_model_looks_at_single_pixels)
  if all(operator.is_projection for operator in operators):
    found.append(projection_changes_nothing_more)
  if parse(case.spec).is_completable:
    found.append(consistent_image_degrades_to_what_was_given)
  return found


def example_image(height: int = 64, width: int = 96) -> np.ndarray:
  """An image with soft colours, edges and all grey levels; float32 [height, width, 3]."""
  coarse = np.random.default_rng(0).integers(30, 226, (5, 7, 3)).astype(np.uint8)
  image = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
  y, x = np.mgrid[:height, :width]
  image[(y - height / 2) ** 2 + (x - width / 3) ** 2 < (height / 4) ** 2] //= 2
  image[height // 8 : height // 4] = np.linspace(0, 255, width).reshape(1, width, 1)
  return to_float(image)


def both_forms_have_the_output_shape_type_and_range(case: Case, image: np.ndarray) -> None:
  """`output_shape`, float32, finite, within [-1, 1]; `visible` has that size and is 0 or 1."""
  operator = case.operator
  operator.check(*image.shape[:2])
  shape = operator.output_shape(*image.shape[:2])
  true = operator.true(image, _key())
  _require(case, isinstance(true, np.ndarray), 'the true form gives no NumPy array')
  for name, made in (('model', _model(operator, image)), ('true', true)):
    _require(case, made.shape == (*shape, 3), f'the {name} form gives {made.shape}, not {shape}')
    _require(case, made.dtype == np.float32, f'the {name} form gives {made.dtype}, not float32')
    _require(case, np.all(np.isfinite(made)), f'the {name} form is not finite')
    _require(case, np.max(np.abs(made)) <= 1 + 1e-5, f'the {name} form leaves [-1, 1]')
  visible = np.asarray(_visible(operator, shape))
  _require(case, visible.shape == (*shape, 1), f'visible is {visible.shape}, not {shape}')
  _require(case, visible.dtype == np.float32, f'visible is {visible.dtype}, not float32')
  _require(case, set(np.unique(visible)) <= {0.0, 1.0}, 'visible is neither 0 nor 1')


def sizes_are_those_of_the_model(case: Case, image: np.ndarray) -> None:
  """`output_shape` tells the model's size for other sizes, too."""
  height, width = image.shape[:2]
  for size in ((width, height), (2 * height, 2 * width)):
    try:
      case.operator.check(*size)
    except DegradationError:
      continue
    made = jax.eval_shape(
      case.operator.model, jax.ShapeDtypeStruct((*size, 3), jnp.float32), _key()
    )
    expected = (*case.operator.output_shape(*size), 3)
    _require(case, made.shape == expected, f'{size} gives {made.shape}, not {expected}')


def true_form_lies_on_8_bits_and_leaves_its_input_alone(case: Case, image: np.ndarray) -> None:
  """As if it had been saved to a file."""
  before = image.copy()
  made = case.operator.true(image, _key())
  np.testing.assert_allclose(to_float(to_bytes(made)), made, atol=1e-5, err_msg=case.spec)
  np.testing.assert_array_equal(image, before, f'{case.spec}: the true form changes its input')


def model_form_agrees_with_true_form(case: Case, image: np.ndarray) -> None:
  """To `case.psnr`."""
  operator = case.operator
  keys = jax.random.split(_key(), RANDOM_DRAWS if case.random else 1)
  models = jax.vmap(_apply, in_axes=(None, None, 0))(operator, jnp.asarray(image), keys)
  trues = [operator.true(image, key) for key in keys]
  error = np.mean(np.square(np.mean(models, axis=0) - np.mean(trues, axis=0)))
  psnr = 10 * np.log10(4 / max(error, 1e-12))
  _require(case, psnr > case.psnr, f'true and model form agree by {psnr:.1f} dB alone')


def drawn_and_expected_are_the_model_and_what_is_expected(case: Case, image: np.ndarray) -> None:
  """Computing both at once gives what each gives, and they differ where it is random alone."""
  operator = case.operator
  drawn, expected = _drawn_and_expected(operator, jnp.asarray(image), _key())
  _require_same(case, drawn, _model(operator, image))
  _require_same(case, expected, _expected(operator, jnp.asarray(image)))
  differs = not np.array_equal(drawn, expected)
  _require(case, differs == case.random, f'is_random is {case.random}, against what is drawn')


def jit_gives_what_eager_gives(case: Case, image: np.ndarray) -> None:
  """Of the first operator."""
  # Operators one by one: they are what is written anew, and eager compositions are slow.
  (first, *_), array = case.operator.operators, jnp.asarray(image)
  _require_same(case, _apply(first, array, _key()), first.model(array, _key()))


def batch_of_parameters_gives_what_one_by_one_gives(case: Case, image: np.ndarray) -> None:
  """Under `vmap`, with other parameters, images and keys side by side."""
  specs = [case.spec, case.other]
  images = jnp.asarray(np.stack([image, image[::-1]]))
  keys = jax.random.split(_key(), len(specs))
  batch, visible = _sampled_batch(stack([parse(spec) for spec in specs]), images, keys)
  for index, spec in enumerate(specs):
    operator = parse(spec).sample(keys[index])
    _require_same(case, batch[index], _apply(operator, images[index], keys[index]))
    alone = _visible(operator, batch[index].shape[:2])
    np.testing.assert_array_equal(visible[index], alone, f'{spec}: visible differs in a batch')


def key_decides_everything(case: Case, image: np.ndarray) -> None:
  """One key gives one image, and another key another one where it is random alone."""
  operator = case.operator
  for form in (lambda key: _model(operator, image, key), lambda key: operator.true(image, key)):
    first, again, other = form(_key()), form(_key()), form(jax.random.key(8))
    np.testing.assert_array_equal(first, again, f'{case.spec}: one key gives two images')
    differs = not np.array_equal(first, other)
    _require(case, differs == case.random, f'is_random is {case.random}, against another key')


def gradient_reaches_the_image(case: Case, image: np.ndarray) -> None:
  """It is finite, and nowhere near 0 on average."""
  gradient = _gradient(case.operator, jnp.asarray(image), _key())
  _require(case, np.all(np.isfinite(gradient)), 'the gradient is not finite')
  mean = np.mean(np.abs(gradient))
  _require(case, mean > SMALLEST_GRADIENT, f'the gradient hardly reaches the image: {mean:.2g}')


def spec_round_trip(case: Case, image: np.ndarray) -> None:
  """`parse(str(operator))` is the operator, to the last bit."""
  del image
  operator = parse(case.spec)
  again = parse(str(operator))
  _require(case, str(again) == str(operator), f'is written {operator}, and that {again}')
  structures: list[Any] = [jax.tree.structure(tree) for tree in (operator, again)]
  same = structures[0] == structures[1]
  _require(case, same, f'{operator} is read as something else')
  for leaf, other in zip(jax.tree.leaves(operator), jax.tree.leaves(again), strict=True):
    np.testing.assert_array_equal(leaf, other, f'{operator} is read with other numbers')
    _require(case, leaf.dtype == other.dtype, f'{leaf.dtype} is read as {other.dtype}')


def unknown_parameters_are_registered(case: Case, image: np.ndarray) -> None:
  """Specs may leave open what the operator says can be found."""
  del image
  for operator in parse(case.spec).operators:
    for name in type(operator).unknowns:
      spec = re.sub(rf'\b{name}=[^,)]*', f'{name}=?', str(operator))
      if f'{name}=?' in spec:
        unknown = parse(spec).unknown
        _require(case, unknown == ((0, name),), f'{name}=? is read as unknown {unknown}')


def affine_model_keeps_averages(case: Case, image: np.ndarray) -> None:
  """The model of a mean is the mean of the models."""
  operator = case.operator
  first, second = image, np.ascontiguousarray(np.flip(image, (0, 1, 2)))
  mixed = _model(operator, np.float32(0.3) * first + np.float32(0.7) * second)
  expected = 0.3 * _model(operator, first) + 0.7 * _model(operator, second)
  np.testing.assert_allclose(mixed, expected, atol=ACCURACY, err_msg=f'{case.spec}: not affine')


def vjp_is_the_adjoint(case: Case, image: np.ndarray) -> None:
  """<A x, y> = <x, Aᵀ y>."""
  operator = case.operator
  rng = np.random.default_rng(0)
  direction = rng.standard_normal(image.shape).astype(np.float32)
  weights = rng.standard_normal((*operator.output_shape(*image.shape[:2]), 3)).astype(np.float32)
  # The model is affine, so a finite step is the exact derivative.
  moved = _model(operator, image + direction) - _model(operator, image)
  _, pull = jax.vjp(lambda x: _apply(operator, x, _key()), jnp.asarray(image))
  forward = np.vdot(np.asarray(moved, np.float64), np.asarray(weights, np.float64))
  pulled = np.asarray(pull(jnp.asarray(weights))[0], np.float64)
  backward = np.vdot(np.asarray(direction, np.float64), pulled)
  np.testing.assert_allclose(forward, backward, rtol=1e-4, atol=1e-3, err_msg=case.spec)


def local_model_looks_at_single_pixels(case: Case, image: np.ndarray) -> None:
  """What `is_local` promises: a pixel of the image moves that pixel alone."""
  changed = image.copy()
  changed[image.shape[0] // 3, image.shape[1] // 2] *= -1
  moved = np.any(_model(case.operator, image) != _model(case.operator, changed), axis=2)
  moved = np.argwhere(moved).tolist()
  _require(
    case,
    moved in ([], [[image.shape[0] // 3, image.shape[1] // 2]]),
    'is_local, but a pixel changes others',
  )


def projection_changes_nothing_more(case: Case, image: np.ndarray) -> None:
  """What `is_projection` promises: applied again it changes nothing."""
  once = _model(case.operator, image)
  _require_same(case, _model(case.operator, np.asarray(once)), once)


def consistent_image_degrades_to_what_was_given(case: Case, image: np.ndarray) -> None:
  """What `is_completable` promises, and that doing it twice does not lead astray.

  Of noise it promises less: nearer to what was given, and to the clean image.
  """
  operator = case.operator
  degraded = operator.true(image, _key())
  visible = np.asarray(_visible(operator, degraded.shape[:2]))
  restored = np.float32(0.7) * image + np.float32(0.3) * image[::-1, ::-1]
  made = operator.consistent(restored, degraded, visible)
  _require(case, made.shape == image.shape, f'what is consistent is {made.shape}')
  _require(case, made.dtype == np.float32, f'what is consistent is {made.dtype}')
  left, before = (_misfit(operator, one, degraded, visible) for one in (made, restored))
  share = 1.0 if case.random else CONSISTENT
  _require(case, left < max(share * before, LEVEL), f'consistent but for {left:.2g}')
  if case.random:
    errors = [np.mean(np.square(one - image)) for one in (made, restored)]
    _require(case, errors[0] < errors[1], f'farther from the clean image: {errors[0]:.2g}')
  again = _misfit(operator, operator.consistent(made, degraded, visible), degraded, visible)
  _require(case, again < max(1.1 * left, LEVEL), f'consistent but for {again:.2g} the next time')


def _misfit(
  operator: Operator, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray
) -> float:
  """How far an image, degraded, is from what was given, where that shows something."""
  return float(np.mean(visible * np.abs(_expected(operator, jnp.asarray(image)) - degraded)))


def _require(case: Case, is_right: Any, message: str) -> None:
  if not is_right:
    raise AssertionError(f'{case.spec}: {message}')


def _require_same(case: Case, first: Any, second: Any) -> None:
  """Equal to float32's accuracy, or where it rounds on average."""
  first, second = np.asarray(first), np.asarray(second)
  _require(case, first.shape == second.shape, f'{first.shape} is not {second.shape}')
  difference = np.abs(first - second)
  worst, bound = (np.mean, TIE_ACCURACY) if case.rounds else (np.max, ACCURACY)
  _require(case, worst(difference) <= bound, f'differs by {worst(difference):.2g}')


def _key() -> jax.Array:
  return jax.random.key(7)  # Made when it is needed: an import starts no backend.


def _model(operator: Operator, image: np.ndarray, key: jax.Array | None = None) -> jax.Array:
  return _apply(operator, jnp.asarray(image), _key() if key is None else key)


# Compiled once per case, and shared by the properties.


@jax.jit
def _apply(operator: Operator, image: jax.Array, key: jax.Array) -> jax.Array:
  return operator.model(image, key)


@jax.jit
def _drawn_and_expected(operator, image, key):
  return operator.drawn_and_expected(image, key)


@jax.jit
def _expected(operator, image):
  return operator.expected(image)


@functools.partial(jax.jit, static_argnums=1)
def _visible(operator, shape):
  return operator.visible(*shape)


@jax.jit
@jax.vmap
def _sampled_batch(operator, image, key):
  operator = operator.sample(key)
  made = operator.model(image, key)
  return made, operator.visible(*made.shape[:2])


@jax.jit
@functools.partial(jax.grad, argnums=1)
def _gradient(operator, image, key):
  return jnp.sum(operator.model(image, key) ** 2)
