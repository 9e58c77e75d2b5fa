"""The networks that are measured: the bundled ones, and made-up ones with random weights.

JAX is imported when networks are made: some programs have to set it up first.
"""

import functools

# name -> resolution, channel_base, channel_max, latent size, mapping layers, perceptual distance.
INVERSION: dict[str, tuple | None] = {
  'default': None,
  'tiny': (16, 256, 16, 8, 2, 'discriminator'),
  '256': (256, 16384, 512, 512, 8, 'vgg16'),
  '1024': (1024, 32768, 512, 512, 8, 'vgg16'),
}
VGG_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def prior(name: str, precision: str):
  """What inversions share in one configuration of `INVERSION`."""
  from flax import nnx

  from ganjax import faces, inversion, weights
  from ganjax.inversion.perceptual import LPIPSDistance
  from ganjax.models import architecture
  from ganjax.models.discriminator import Discriminator
  from ganjax.models.generator import Generator
  from ganjax.models.vgg16 import LPIPS

  made_up = INVERSION[name]
  if made_up is None:
    return inversion.make_prior(weights.load(precision=precision))
  resolution, base, most, w_dim, layers, perceptual = made_up
  dtype = weights.parameters.compute_type(precision)
  widths = architecture.channel_widths(resolution, base, most)
  mapping = architecture.MappingConfig(layers, w_dim)
  made = architecture.GeneratorConfig(resolution, widths, mapping, z_dim=w_dim, w_dim=w_dim)
  generator = Generator(made, dtype, rngs=nnx.Rngs(0))
  template = faces.FFHQ
  if perceptual == 'vgg16':
    distance = LPIPSDistance(LPIPS(VGG_WIDTHS, dtype, rngs=nnx.Rngs(1)))
    return inversion.make_prior(weights.Networks(generator, None, template, ''), distance)
  critic = architecture.DiscriminatorConfig(resolution, widths)
  discriminator = Discriminator(critic, dtype, rngs=nnx.Rngs(1))
  return inversion.make_prior(weights.Networks(generator, discriminator, template, ''))


def compiled_prior(name: str, precision: str):
  """`prior`, whose random weights are drawn by one program."""
  from ganjax.runtime import programs

  make = functools.partial(prior, name, precision)
  return make() if INVERSION[name] is None else programs.jit_once(make)()
