"""A new latent space: coarse, middle and fine layers have a w each.

    python examples/latent_space.py

Between W, which cannot make most photographs, and W+, which can make what is no face. Inverts a
face in all three.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
import support

import ganjax
from ganjax.inversion import PROJECTOR

# The latent alone explains the face: noise maps are not used.
HYPER = {'latent_dist_reg_weight': 0.1, 'pixel_weight': 3.0, 'w_noise': 0.0}


@dataclasses.dataclass(frozen=True)
class Groups:
  """A w for each group of layers, [groups, w_dim]."""

  name: str = 'groups'
  groups: int = 3

  def enter(self, latent, config):
    """From w [w_dim], a copy for each group; from rows of W+, the mean of each group's."""
    if latent.ndim == 1 or len(latent) == 1:
      return jnp.broadcast_to(jnp.atleast_2d(latent), (self.groups, config.w_dim))
    of_row = self._group_of_row(config)
    return jnp.stack([jnp.mean(latent[of_row == i], axis=0) for i in range(self.groups)])

  def rows(self, latent, config):
    """What the synthesis network reads: the groups' w, in the order of the layers."""
    return latent[self._group_of_row(config)]

  def _group_of_row(self, config):
    return np.arange(config.num_ws) * self.groups // config.num_ws

  def distance(self, latent, by):
    """How far the groups are from the average face."""
    return by.of_rows(latent)


def main(arguments=None):
  flags = support.parser(__doc__.splitlines()[0], num_steps=150).parse_args(arguments)
  networks = ganjax.load(flags.weights)
  images = support.load_faces(flags.input, networks, flags.align)

  rows = [images]
  for space in ('w', Groups(), 'w_plus'):
    result = ganjax.restore(
      networks,
      images,
      'identity',
      preset=PROJECTOR.within(space, 'zero'),
      num_steps=flags.num_steps,
      **HYPER,
    )
    psnr = np.mean([ganjax.psnr(a, b) for a, b in zip(result.image, images, strict=True)])
    print(f'{space}: latent {result.latent.shape[1:]}, {psnr:.1f} dB')
    rows.append(result.image)
  support.write_sheet(flags.output / 'latent_space.png', list(zip(*rows, strict=True)))


if __name__ == '__main__':
  main()
