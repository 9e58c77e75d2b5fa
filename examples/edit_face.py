"""Edits a face along directions of latent space that need no labels.

    python examples/edit_face.py --components=4

Inverts it in W+, finds what moves the styles most (SeFa), and walks both ways along each.
"""

import jax
import jax.numpy as jnp
import numpy as np
import support

import ganjax
from ganjax import editing
from ganjax.inversion import PROJECTOR


def main(arguments=None):
  parser = support.parser(__doc__.splitlines()[0])
  parser.add_argument(
    '--components', type=int, default=4, help='directions, a row of the sheet each'
  )
  parser.add_argument('--reach', type=float, default=1.5, help='in deviations of random latents')
  flags = parser.parse_args(arguments)
  networks = ganjax.load(flags.weights)
  generator = networks.generator
  image = support.load_faces(flags.input, networks, flags.align)[:1]

  result = ganjax.restore(
    networks,
    image,
    'identity',
    preset=PROJECTOR.within('w_plus', 'free'),
    num_steps=flags.num_steps,
    latent_dist_reg_weight=0.4,  # near the average face edits look natural
    noise_reg_weight=0.1,
    pixel_weight=3.0,
    w_noise=0.0,
  )
  face = jnp.asarray(result.latent[0])  # [num_ws, w_dim]
  noise = jax.tree.map(lambda maps: jnp.asarray(maps[0]), result.noise)

  found = editing.sefa(generator, flags.components)
  z = jax.random.normal(jax.random.key(0), (1000, generator.config.z_dim))
  random_w = jax.jit(jax.vmap(generator.mapping.w))(z)
  walks = []
  for normal in found.normals:
    unit = editing.deviation(random_w, normal)
    steps = unit * jnp.linspace(-flags.reach, flags.reach, 5)
    walks.append(editing.traverse(face, normal, steps))  # [5, num_ws, w_dim]

  render = jax.jit(jax.vmap(lambda ws: generator.synthesis(ws, noise)))
  rows = [np.asarray(render(walk)) for walk in walks]
  support.write_sheet(flags.output / 'edit_face.png', [[image[0], *row] for row in rows])


if __name__ == '__main__':
  main()
