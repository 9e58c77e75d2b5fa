"""The networks that are measured: the bundled ones, and made-up ones with random weights.

JAX is imported when networks are made: some programs have to set it up first.
"""

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
  import jax
  import jax.numpy as jnp
  from flax import nnx

  from ganjax import inversion, weights
  from ganjax.models import architecture
  from ganjax.models.discriminator import Discriminator
  from ganjax.models.generator import Generator
  from ganjax.models.vgg16 import LPIPS

  def randomised(module):
    state = nnx.state(module, nnx.Param)
    for i, (_, variable) in enumerate(nnx.to_flat_state(state)):
      variable[...] = jax.random.normal(jax.random.key(i), variable.shape) * 0.1
    nnx.update(module, state)
    return module

  made_up = INVERSION[name]
  if made_up is None:
    return inversion.make_prior(weights.load(precision=precision))
  resolution, base, most, w_dim, layers, perceptual = made_up
  dtype = weights.networks.compute_type(precision)
  widths = architecture.channel_widths(resolution, base, most)
  mapping = architecture.MappingConfig(layers, w_dim)
  made = architecture.GeneratorConfig(resolution, widths, mapping, z_dim=w_dim, w_dim=w_dim)
  generator = randomised(Generator(made, dtype))
  template = weights.CropTemplate(2.0, 1.8, 0.1)
  if perceptual == 'vgg16':
    lpips = randomised(LPIPS(VGG_WIDTHS, dtype))
    for i in range(5):
      head = getattr(lpips, f'lin{i}').weight
      head[...] = jnp.abs(head[...])
    return inversion.make_prior(weights.Networks(generator, None, template, ''), lpips)
  discriminator = randomised(
    Discriminator(architecture.DiscriminatorConfig(resolution, widths), dtype)
  )
  return inversion.make_prior(weights.Networks(generator, discriminator, template, ''))
