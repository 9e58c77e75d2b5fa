"""What every degradation can do, their composition, and the batch of them.

An operator has two forms. The *true* form is what we do to a clean picture: on the host, with the
real codecs. The *model* form is what the optimisation loop does to the synthesised picture: pure,
differentiable, under jit and vmap. An operator is a frozen pytree whose leaves are its parameters,
so they can differ per image (`jax.vmap`), be swept in a batch (`stack`), and be differentiated.
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.data import JpegCoding
from ganjax.degradations.estimators import Continuous, Cropped, Discrete, Measured, Unknown
from ganjax.degradations.parameters import DegradationError
from ganjax.degradations.pytrees import frozen_pytree
from ganjax.pixels import stretched, to_bytes, to_float

BACK_PROJECTIONS = 10  # after which a picture reduced again differs by less than a level


class Operator:
  """One degradation of one image, float32 [H, W, 3] in [-1, 1]."""

  # Whether a pixel of the output depends on the same pixel of the input alone.
  is_local: ClassVar[bool] = False
  # Whether `model` draws from its key, so that `expected` is another picture.
  is_random: ClassVar[bool] = False
  # Whether it only takes away, pixel by pixel: applied again it changes nothing more.
  is_projection: ClassVar[bool] = False
  # Whether it only reduces the number of pixels.
  is_reduction: ClassVar[bool] = False
  # Whether it does nothing but hide parts of the picture.
  is_mask: ClassVar[bool] = False
  # Whether it only stores the picture with less accuracy, as a file does.
  is_codec: ClassVar[bool] = False
  # Whether it only softens the picture: then the finest that a large photo has is its own.
  is_blur: ClassVar[bool] = False
  # Whether it only adds white noise.
  is_white_noise: ClassVar[bool] = False
  # Whether it is neither projection nor reduction, but has a `consistent` of its own.
  has_consistency: ClassVar[bool] = False
  # Whether `sample` draws what it does, so that a picture that came degraded cannot follow it.
  is_drawn: ClassVar[bool] = False
  # The parameters that may be unknown, and how each is found.
  unknowns: ClassVar[dict[str, Unknown]] = {}

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    """The differentiable form, for the optimisation loop.

    Args:
      image: float32 [H, W, 3]; [-1, 1], but a generator may overshoot.
      key: what is random here is drawn from it.

    Returns:
      float32 [h, w, 3], where (h, w) = `output_shape(H, W)`.
    """
    raise NotImplementedError

  def expected(self, image: jax.Array) -> jax.Array:
    """What `model` comes to on average over its keys, but for what noise loses by clipping."""
    return self.model(image, jax.random.key(0))

  def drawn_and_expected(self, image: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(`model`, `expected`), one computation for both as far as nothing is random."""
    drawn = self.model(image, key)
    return drawn, self.expected(image) if self.is_random else drawn

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    """The true form, on the host: float32 [H, W, 3] in [-1, 1] -> [h, w, 3] in [-1, 1]."""
    return np.array(_model(self, image, key))

  def sample(self, key: jax.Array) -> 'Operator':
    """Fixes what is random in the operator itself (where the strokes lie), for one image."""
    del key
    return self

  def observed(self, picture: np.ndarray) -> 'Operator':
    """Fixes what chance did to a degraded picture, float32 [h, w, 3], where the picture tells."""
    del picture
    return self

  @property
  def loses_pixels(self) -> bool:
    """Whether chance takes pixels away, of which only its own output tells; see `observed`."""
    return False

  @property
  def is_completable(self) -> bool:
    """Whether `consistent` knows what the degraded picture still tells."""
    return self.is_projection or self.is_reduction or self.has_consistency

  def consistent(self, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The restored picture, changed so that it degrades to what was given (data consistency).

    With a projection A, x + A y − A x degrades to y whatever x is (the range–null space
    decomposition of Wang et al. 2023, "DDNM"). Where pixels were lost, what the small picture shows
    is put back by iterative back-projection (Irani and Peleg 1991). Other operators that are
    completable have their own.

    Args:
      image: x, float32 [H, W, 3] in [-1, 1].
      degraded: y, float32 [h, w, 3] in [-1, 1].
      visible: how far each pixel of y counts, float32 [h, w, 1]; 0 in holes.

    Returns:
      float32 [H, W, 3], nominally in [-1, 1].
    """
    if degraded.shape == image.shape:
      known, shown = (np.asarray(self.expected(jnp.asarray(x))) for x in (degraded, image))
      return image + visible * (known - shown)
    for _ in range(BACK_PROJECTIONS):
      shown = np.asarray(self.expected(jnp.asarray(image)))
      image = image + stretched(visible * (degraded - shown), *image.shape[:2])
    return image

  def visible(self, height: int, width: int) -> jax.Array:
    """Where the output shows the picture.

    Args:
      height: of the *output*, in pixels.
      width: likewise.

    Returns:
      float32 [height, width, 1]; 1 where the picture shows, 0 in holes.
    """
    return jnp.ones((height, width, 1), jnp.float32)

  def output_shape(self, height: int, width: int) -> tuple[int, int]:
    """The output's (height, width) for an input of height × width."""
    return height, width

  def free(self) -> dict[str, jax.Array]:
    """What an optimisation may change in it; see `Pipeline.free`."""
    return {}

  def bind(self, free: dict[str, jax.Array]) -> 'Operator':
    """Takes that over; see `Pipeline.bind`."""
    del free
    return self

  def check(self, height: int, width: int) -> None:
    """Raises DegradationError where the operator does not fit an input of height × width."""

  def described(self, height: int, width: int) -> dict[str, jax.Array | float]:
    """Its parameters as a network is told them, each brought to about [0, 1]; see `description`.

    Args:
      height: of the input, in pixels.
      width: likewise.
    """
    del height, width
    return {}

  @staticmethod
  def harmonise(operators: Sequence) -> Sequence:
    """Gives operators of this kind arrays of the same sizes, where they can have them."""
    return operators

  def __or__(self, other: 'Operator') -> 'Pipeline':
    left, right = Pipeline.of(self), Pipeline.of(other)
    moved = [(len(left.operators) + index, name) for index, name in right.unknown]
    return Pipeline(left.operators + right.operators, (*left.unknown, *moved))


@jax.jit
def _model(operator: Operator, image: jax.Array, key: jax.Array) -> jax.Array:
  return operator.model(image, key)


@frozen_pytree
class Pipeline(Operator):
  """Operators applied one after another, the first one first; written `a | b | c`.

  `str(pipeline)` is the spec that `parse` reads back.
  """

  operators: tuple[Operator, ...]
  # (operator's index, parameter) of what is not known; the operators hold stand-ins.
  unknown: tuple[tuple[int, str], ...] = dataclasses.field(default=(), metadata={'static': True})

  @classmethod
  def of(cls, operator: Operator) -> 'Pipeline':
    """One operator as a pipeline; a pipeline stays as it is."""
    return operator if isinstance(operator, Pipeline) else cls((operator,))

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    for index, operator in enumerate(self.operators):
      image = operator.model(image, jax.random.fold_in(key, index))
    return image

  def true(self, image: np.ndarray, key: jax.Array) -> np.ndarray:
    """The true form; ends with a round trip through 8 bits, as if saved to a file.

    Raises:
      DegradationError: an operator does not fit the size of the image.
    """
    self.check(*image.shape[:2])
    for index, operator in enumerate(self.operators):
      image = operator.true(image, jax.random.fold_in(key, index))
    return to_float(to_bytes(image))

  def sample(self, key: jax.Array) -> 'Pipeline':
    def sampled(index: int, operator: Operator) -> Operator:
      if type(operator).sample is Operator.sample:  # it would not look at its key
        return operator
      return operator.sample(jax.random.fold_in(key, index))

    return Pipeline(tuple(map(sampled, itertools.count(), self.operators)), self.unknown)

  def draw(self, key: jax.Array) -> tuple['Pipeline', jax.Array]:
    """`sample`, and the key for `true`, from one key for all that chance does to an image."""
    sample_key, true_key = jax.random.split(key)
    return self.sample(sample_key), true_key

  def expected(self, image: jax.Array) -> jax.Array:
    for operator in self.operators:
      image = operator.expected(image)
    return image

  def drawn_and_expected(self, image: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    drawn = expected = image
    for index, operator in enumerate(self.operators):
      before, drawn = drawn, operator.model(drawn, jax.random.fold_in(key, index))
      is_same = expected is before and not operator.is_random
      expected = drawn if is_same else operator.expected(expected)
    return drawn, expected

  def observed(self, picture: np.ndarray) -> 'Pipeline':
    """As for one operator; what others than pixel-local ones follow has left no clear trace."""
    tail = self._local_tail()
    seen = tuple(operator.observed(picture) for operator in self.operators[tail:])
    return Pipeline(self.operators[:tail] + seen, self.unknown)

  def projected(self, picture: np.ndarray) -> np.ndarray:
    """A picture that came degraded, less what the projections at the end would take from it.

    So a tinted photo becomes grey where the degradation is `grayscale`. Holes stay as they are.

    Args:
      picture: float32 [h, w, 3] in [-1, 1].
    """
    kept = [index for index, operator in enumerate(self.operators) if not operator.is_projection]
    for operator in self.operators[kept[-1] + 1 if kept else 0 :]:
      picture = picture if operator.is_mask else operator.true(picture, jax.random.key(0))
    return picture

  def with_values(self, values: dict[tuple[int, str], Any]) -> 'Pipeline':
    """The same with some parameters replaced; they count as known from then on.

    Args:
      values: (operator's index, parameter) -> value.
    """
    operators = list(self.operators)
    for (index, name), value in values.items():
      operators[index] = dataclasses.replace(operators[index], **{name: value})  # type: ignore[type-var]
    left = tuple(place for place in self.unknown if place not in values)
    return Pipeline(tuple(operators), left)

  def with_estimates(self, values: dict[tuple[int, str], Any]) -> 'Pipeline':
    """As `with_values`, with numbers rounded to the three digits that an estimate may claim."""
    return self.with_values(
      {place: np.asarray(f'{float(value):.3g}', np.float32) for place, value in values.items()}
    )

  def _places(self, kind: type) -> dict[tuple[int, str], Any]:
    """The unknown parameters that are found in one way."""
    found = {place: self.operators[place[0]].unknowns[place[1]] for place in self.unknown}
    return {place: unknown for place, unknown in found.items() if isinstance(unknown, kind)}

  def free(self) -> dict[str, jax.Array]:
    """Unconstrained starts of the unknown continuous parameters: {'0.variance': [1]}."""
    return {f'{i}.{name}': x.free() for (i, name), x in self._places(Continuous).items()}

  def bind(self, free: dict[str, jax.Array]) -> 'Pipeline':
    """Takes over continuous parameters from their unconstrained forms, with a gradient."""
    places = self._places(Continuous)
    values = {(i, name): x.value(free[f'{i}.{name}']) for (i, name), x in places.items()}
    return self.with_values(values) if values else self

  def measured(self, picture: np.ndarray) -> 'Pipeline':
    """Takes what can be read off the degraded picture, float32 [h, w, 3], from there."""
    places = self._places(Measured)
    return self.with_estimates({place: x.measure(picture) for place, x in places.items()})

  def candidates(self, height: int, width: int) -> list['Pipeline']:
    """All combinations of unknown discrete parameters that fit a picture of height × width."""
    places = self._places(Discrete)
    found = []
    for row in itertools.product(*(unknown.candidates for unknown in places.values())):
      pipeline = self.with_values(dict(zip(places, row, strict=True)))
      try:
        pipeline.check(height, width)
      except DegradationError:
        continue
      found.append(pipeline)
    return found

  def visible(self, height: int, width: int) -> jax.Array:
    """Where the output shows the picture; [height, width, 1] of the output.

    Only masks that nothing but pixel-local operators follow are holes. A mask before a blur, a
    down-sampling or a codec has leaked into its surroundings: it is a part of the operator, and
    comparing everywhere is right.
    """
    visible = jnp.ones((height, width, 1), jnp.float32)
    for operator in self.operators[self._local_tail() :]:
      visible = visible * operator.visible(height, width)
    return visible

  def _local_tail(self) -> int:
    """Where the operators begin of which a pixel of the output still tells."""
    others = [index for index, operator in enumerate(self.operators) if not operator.is_local]
    return others[-1] + 1 if others else 0

  @property
  def follows_crop(self) -> bool:
    """Whether something of it is known once a face is found in a photo; see `Cropped`."""
    return bool(self._places(Cropped))

  def cropped(self, size: int) -> 'Pipeline':
    """The same for a face that is `size` px wide in its photo."""
    places = self._places(Cropped)
    given = self.with_values({(i, x.parameter): size for (i, _), x in places.items()})
    return Pipeline(given.operators, tuple(x for x in self.unknown if x not in places))

  def stored(
    self, coding: JpegCoding | None, width: float, side: int, noise: float | None = None
  ) -> 'Pipeline':
    """The same for a face of a photo that came as such a file; see `Discrete.of_file`.

    Args:
      coding: of the photo's JPEG; None where it is none.
      width: of the face in the photo, px.
      side: of the clean crop, px, which operators before that of the file may make smaller.
      noise: the standard deviation of the white noise on the photo before it was stored, in units
        of the [0, 1] range; None where that is not known.
    """
    if coding is None:
      return self

    def scale(place: tuple[int, str]) -> float:
      size, _ = Pipeline(self.operators[: place[0]]).output_shape(side, side)
      return width / size

    told: dict[tuple[int, str], Any] = {}
    for place, unknown in self._places(Discrete).items():
      if unknown.of_file:
        told[place] = unknown.of_file(coding, scale(place))
    same = self.with_values({place: value for place, value in told.items() if value is not None})
    if noise is None:
      return same
    measured = [place for place in self._places(Measured) if place[0] == self._stored_noise]
    # A crop that is smaller than the face averages its noise.
    return same.with_estimates({place: noise / max(scale(place), 1.0) for place in measured})

  @property
  def _stored_noise(self) -> int | None:
    """Where white noise is added to what the file then stores, but for holes."""
    for index, operator in reversed(list(enumerate(self.operators))):
      if operator.is_white_noise:
        return index
      if not (operator.is_codec or operator.is_mask):
        break
    return None

  @property
  def stores_noise(self) -> bool:
    """Whether a file tells how strong its white noise was; see `noise_before`."""
    return self._stored_noise is not None

  @property
  def takes_colours(self) -> bool:
    """Whether what it gives has none."""
    return any(operator.is_projection and not operator.is_mask for operator in self.operators)

  @property
  def depends_on_coding(self) -> bool:
    """Whether it counts how the photo's file was coded; see `stored`, and what completes photos."""
    is_coded = any(operator.is_codec for operator in self.operators)
    is_told = any(x.of_file for x in self._places(Discrete).values())
    return is_coded or is_told or self.stores_noise

  @property
  def stages(self) -> list['Pipeline']:
    """The same in parts, of which each holds what follows one another and is of one kind.

    The kinds are projections, codecs, blurs, white noise, and everything else.
    """

    def kind(operator: Operator) -> tuple[bool, ...]:
      return operator.is_projection, operator.is_codec, operator.is_blur, operator.is_white_noise

    return [Pipeline(tuple(part)) for _, part in itertools.groupby(self.operators, kind)]

  @property
  def is_partly_drawn(self) -> bool:
    """Whether chance decides what one of the operators does, before it is sampled."""
    return any(operator.is_drawn for operator in self.operators)

  @property
  def is_only_masks(self) -> bool:
    """Whether what it leaves visible is the clean picture itself."""
    return all(operator.is_mask for operator in self.operators)

  @property
  def is_only_projections(self) -> bool:
    """Whether what it leaves can be put back into a restored picture; see `completed`."""
    return all(operator.is_projection for operator in self.operators)

  @property
  def is_only_codecs(self) -> bool:
    """Whether it does to a picture what storing it in a file does, and no more."""
    return all(operator.is_codec for operator in self.operators)

  @property
  def is_only_blurs(self) -> bool:
    """Whether it softens a picture, and no more."""
    return all(operator.is_blur for operator in self.operators)

  @property
  def is_only_white_noise(self) -> bool:
    """Whether it adds white noise to a picture, and no more."""
    return all(operator.is_white_noise for operator in self.operators)

  @property
  def is_completable(self) -> bool:
    """As for one; operators with a `consistent` of their own come last, but for masks."""
    before, last = self._at_last()
    if last is not None:
      return before.is_completable and not any(x.loses_pixels for x in before.operators)
    return all(operator.is_projection or operator.is_reduction for operator in self.operators)

  def consistent(self, image: np.ndarray, degraded: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """As for one operator; projections and reductions that follow one another are one.

    Where another follows, first what that was given is made consistent, then the picture with it.
    """
    before, last = self._at_last()
    if last is None:
      return super().consistent(image, degraded, visible)
    given = np.asarray(before.expected(jnp.asarray(image)))
    given = last.consistent(given, degraded, visible)
    return before.consistent(image, given, np.asarray(before.visible(*given.shape[:2])))

  def _at_last(self) -> tuple['Pipeline', Operator | None]:
    """What precedes the last operator if that has a `consistent` of its own; else all, and None.

    Masks may follow it.
    """
    end = len(self.operators)
    while end and self.operators[end - 1].is_mask:
      end -= 1
    if not end:
      return self, None
    last = self.operators[end - 1]
    if not last.has_consistency:
      return self, None
    return Pipeline(self.operators[: end - 1]), last

  def output_shape(self, height: int, width: int) -> tuple[int, int]:
    for operator in self.operators:
      height, width = operator.output_shape(height, width)
    return height, width

  def check(self, height: int, width: int) -> None:
    for operator in self.operators:
      operator.check(height, width)
      height, width = operator.output_shape(height, width)

  @staticmethod
  def harmonise(operators: Sequence['Pipeline']) -> Sequence['Pipeline']:
    if len({len(pipeline.operators) for pipeline in operators}) > 1:
      return operators
    columns = zip(*(pipeline.operators for pipeline in operators), strict=True)
    rows = zip(*map(_harmonise, columns), strict=True)
    return [Pipeline(row, old.unknown) for row, old in zip(rows, operators, strict=True)]

  def __str__(self) -> str:
    texts = [str(operator) for operator in self.operators]
    for index, name in self.unknown:
      texts[index] = re.sub(rf'\b{name}=[^,)]*', f'{name}=?', texts[index])
    return ' | '.join(texts)


def stack(operators: Sequence[Operator]) -> Operator:
  """Makes one batched operator of one operator per image.

  Args:
    operators: alike in kind and order; their parameters may differ, and so may the number of
      boxes and strokes of a mask.

  Returns:
    The same kind of operator, every leaf with a leading batch axis; for `jax.vmap`.

  Raises:
    DegradationError: there are none, or they differ in more than their parameters.
  """
  if not operators:
    raise DegradationError('nothing to stack: give one degradation per image')
  alike = _harmonise(operators)
  for given, operator in zip(operators, alike, strict=True):
    if _layout(operator) != _layout(alike[0]):
      raise DegradationError(
        f'cannot put {operators[0]} and {given} into one batch: they differ in more than their '
        'numbers; run them apart'
      )
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *alike)


def _harmonise(operators: Sequence[Operator]) -> Sequence[Operator]:
  kinds = {type(operator) for operator in operators}
  return kinds.pop().harmonise(operators) if len(kinds) == 1 else operators


def _layout(operator: Operator) -> tuple:
  leaves, structure = jax.tree.flatten(operator)
  return structure, [np.shape(leaf) for leaf in leaves]
