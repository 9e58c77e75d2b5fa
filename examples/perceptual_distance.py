"""A new perceptual distance, and what an inversion makes of it.

    python examples/perceptual_distance.py

Inverts a face twice: compared by the discriminator's features, as ever, and by a Laplacian pyramid.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import support

import ganjax
from ganjax.inversion import PROJECTOR
from ganjax.inversion.perceptual import Perceptual, resize

LEVELS = 4
# The latent alone explains the face, and stays near the average one.
PRESET = PROJECTOR.within('w_plus', 'zero')
HYPER = {'latent_dist_reg_weight': 0.1, 'w_noise': 0.0}


# A distance is a pytree. This one holds no arrays; one with a network would be a NamedTuple of it.
@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class LaplacianPyramid(Perceptual):
  """L1 between the bands of Laplacian pyramids (Bojanowski et al. 2018, "Lap1").

  No weights: it knows what is where at each scale, and nothing of faces.
  """

  levels: int = LEVELS

  def features(self, image):
    """The image's bands, the finest first: what each halving loses, and what is left at last."""
    bands = []
    for _ in range(self.levels):
      height, width, _ = image.shape
      small = resize(image, height // 2, width // 2)
      bands.append(image - resize(small, height, width))
      image = small
    return [*bands, image]

  def distance(self, features, target):
    """The sum over bands of the mean absolute difference."""
    return sum(
      (jnp.mean(jnp.abs(a - b)) for a, b in zip(features, target, strict=True)),
      start=jnp.zeros(()),
    )


def main(arguments=None):
  flags = support.parser(__doc__.splitlines()[0], num_steps=150).parse_args(arguments)
  networks = ganjax.load(flags.weights)
  images = support.load_faces(flags.input, networks, flags.align)

  rows = [images]
  for perceptual in ('discriminator', LaplacianPyramid()):
    result = ganjax.restore(
      networks,
      images,
      'identity',
      perceptual=perceptual,
      preset=PRESET,
      num_steps=flags.num_steps,
      **HYPER,
    )
    psnr = np.mean([ganjax.psnr(a, b) for a, b in zip(result.image, images, strict=True)])
    print(f'{perceptual}: {psnr:.1f} dB')
    rows.append(result.image)
  support.write_sheet(flags.output / 'perceptual_distance.png', list(zip(*rows, strict=True)))


if __name__ == '__main__':
  main()
