"""A new degradation, motion blur, and a face restored from it.

    python examples/motion_blur.py --length=15 --angle=30

The class and its registration are all that ganjax needs: `--degradation='motion_blur(length=9)'`
works in every task once this file is a module of `ganjax/degradations/`. Its tests are one line,
too; see `test_motion_blur_has_all_properties` in tests/test_examples.py.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import support

import ganjax
from ganjax.degradations import Leaf, Operator, frozen_pytree, register, require_range, spell
from ganjax.degradations.estimators import Continuous, Unknown

MAX_LENGTH = 25  # px
SAMPLES = 2 * MAX_LENGTH + 1


@frozen_pytree
class MotionBlur(Operator):
  """The mean of the image along a line: what a camera sees that moves at a constant speed."""

  length: Leaf  # float32, px
  angle: Leaf  # float32, degrees from the x axis, clockwise

  is_blur: ClassVar[bool] = True
  # So that specs may say `motion_blur(length=?)`.
  unknowns: ClassVar[dict[str, Unknown]] = {'length': Continuous(1.0, MAX_LENGTH, start=5.0)}

  @classmethod
  def create(cls, length: float = 9.0, angle: float = 0.0) -> 'MotionBlur':
    require_range('motion_blur: length', length, 0, MAX_LENGTH)
    require_range('motion_blur: angle', angle, -180, 180)
    return cls(np.asarray(length, np.float32), np.asarray(angle, np.float32))

  # There is no `true` form: it is the model form, since no codec or counting is in it.
  def model(self, image: jax.Array, key: jax.Array) -> jax.Array:
    shifts = self.length * jnp.linspace(-0.5, 0.5, SAMPLES)  # px, at equal times
    down = _shift(image.shape[0], shifts * jnp.sin(jnp.deg2rad(self.angle)))
    across = _shift(image.shape[1], shifts * jnp.cos(jnp.deg2rad(self.angle)))
    return jnp.einsum('tyY,txX,YXc->yxc', down, across, image, precision='highest') / SAMPLES

  def __str__(self) -> str:
    return f'motion_blur(length={spell(self.length)}, angle={spell(self.angle)})'


def _shift(size: int, shifts: jax.Array) -> jax.Array:
  """Matrices [T, size, size] that move an axis by `shifts` px [T]: linear, mirrored at borders."""
  pixels = jnp.arange(size, dtype=jnp.float32)
  places = jnp.abs(pixels[None] + shifts[:, None])
  places = (size - 1) - jnp.abs((size - 1) - places)
  return jax.nn.relu(1 - jnp.abs(places[:, :, None] - pixels[None, None]))


register(
  'motion_blur',
  MotionBlur.create,
  {'length': float, 'angle': float},
  unknown={'length': 5.0},
  usage='motion_blur(length=9, angle=0)  px; degrees from the x axis, clockwise',
)


def main(arguments=None):
  parser = support.parser(__doc__.splitlines()[0])
  parser.add_argument('--length', type=float, default=15.0, help='px')
  parser.add_argument('--angle', type=float, default=30.0, help='degrees')
  flags = parser.parse_args(arguments)
  networks = ganjax.load(flags.weights)
  truth = support.load_faces(flags.input, networks, flags.align)

  # A spec knows the operator, and it goes with all others.
  damage = ganjax.parse_degradation(f'motion_blur(length={flags.length}, angle={flags.angle})')
  blurred = np.stack([damage.true(image, jax.random.key(i)) for i, image in enumerate(truth)])
  result = ganjax.restore(networks, blurred, damage, preset='robust', num_steps=flags.num_steps)

  for before, after, image in zip(blurred, result.image, truth, strict=True):
    print(f'{ganjax.psnr(before, image):.1f} dB -> {ganjax.psnr(after, image):.1f} dB')
  support.write_sheet(flags.output / 'motion_blur.png', [blurred, result.image, truth])


if __name__ == '__main__':
  main()
