"""An operator that is written outside the package, and what is said of one that is wrong."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganjax.degradations import (
  Leaf,
  Operator,
  frozen_pytree,
  parse,
  register,
  registry,
  spell,
  vocabulary,
)
from ganjax.degradations.estimators import Continuous, Unknown
from ganjax.degradations.testing import check


@frozen_pytree
class Fade(Operator):
  """Less contrast."""

  share: Leaf

  is_local: ClassVar[bool] = True
  unknowns: ClassVar[dict[str, Unknown]] = {'share': Continuous(0.1, 1.0, start=0.5)}

  @classmethod
  def create(cls, share: float = 0.5) -> 'Fade':
    return cls(np.asarray(share, np.float32))

  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    return image * self.share

  def __str__(self) -> str:
    return f'fade(share={spell(self.share)})'


@pytest.fixture(autouse=True)
def registered():
  before = dict(registry.OPERATORS)
  register('fade', Fade.create, {'share': float}, unknown={'share': 0.5}, usage='fade(share=0.5)')
  yield
  registry.OPERATORS.clear()
  registry.OPERATORS.update(before)


def broken(**members):
  """Registers `Fade` with other members."""
  kind = frozen_pytree(type('Broken', (Fade,), members))
  register('fade', kind.create, {'share': float}, unknown=members.get('unknown', {'share': 0.5}))


def test_specs_know_it_and_it_has_all_properties():
  check('fade(share=0.25)', other='fade(share=0.75)', psnr=50)
  assert parse('blur | fade(share=?)').unknown == ((1, 'share'),)
  assert 'fade(share=0.5)' in vocabulary()
  with pytest.raises(Exception, match="unknown operator 'fad': did you mean fade"):
    parse('fad')


@pytest.mark.parametrize(
  ('members', 'message'),
  [
    ({'model': lambda self, image, key: image * self.share * 9}, 'the model form leaves'),
    ({'model': lambda self, image, key: image[::2] * self.share}, r'the model form gives \(32, '),
    ({'true': lambda self, image, key: image}, 'true and model form agree by .* dB alone'),
    ({'is_random': True, 'expected': lambda self, x: x * 0.5}, 'is_random is True, against'),
    ({'is_projection': True}, 'differs by'),
    (
      {'model': lambda self, image, key: jnp.roll(image, 1, axis=1) * self.share},
      'is_local, but a pixel changes others',
    ),
    ({'model': lambda self, image, key: jnp.round(image * self.share)}, 'hardly reaches'),
    ({'model': lambda self, image, key: image**3 * self.share}, 'not affine'),
    ({'__str__': lambda self: 'fade(share=0.5)'}, 'is read with other numbers'),
    ({'unknown': {}}, r'share=\? cannot be found'),
  ],
)
def test_what_is_wrong_is_told(members, message):
  broken(**members)
  with pytest.raises(Exception, match=message):
    check('fade(share=0.25)', psnr=30)


def test_a_name_belongs_to_one_module():
  with pytest.raises(ValueError, match=r"operator 'blur' is already that of ganjax.degradations"):
    register('blur', Fade.create, {'share': float})
  broken()  # the same module may


@pytest.mark.parametrize(
  ('name', 'arguments', 'more', 'message'),
  [
    ('no-name', {}, {}, 'use letters'),
    ('new', {'share': bytes}, {}, 'neither int, float nor str'),
    ('new', {}, {'unknown': {'share': 1.0}}, 'share: no such argument'),
    ('new', {}, {'repeatable': {'share'}}, 'share: no such argument'),
  ],
)
def test_mistakes_in_a_registration_are_named(name, arguments, more, message):
  with pytest.raises(ValueError, match=message):
    register(name, Fade.create, arguments, **more)
  assert name not in registry.OPERATORS
