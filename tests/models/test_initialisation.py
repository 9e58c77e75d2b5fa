"""Networks start from the weights that the literature trains them from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ganjax.models.architecture import DiscriminatorConfig, GeneratorConfig, MappingConfig
from ganjax.models.classifier import Classifier, ClassifierConfig
from ganjax.models.discriminator import Discriminator
from ganjax.models.generator import Generator
from ganjax.models.hourglass import Hourglass, plain_config
from ganjax.models.inception import BLOCKS, Block
from ganjax.models.initialisation import abstract, initialised
from ganjax.models.patchgan import PatchGAN, PatchGANConfig
from ganjax.models.unet import UNet, UNetConfig
from ganjax.models.vgg16 import LPIPS
from ganjax.weights.parameters import shapes_of, tensors_of

KEY = jax.random.key(0)
WIDTHS = (16, 12, 8)
LABELS = {'c_dim': 3, 'mapping': MappingConfig(2, 24, 5)}
NETWORKS = {
  'generator': (Generator, GeneratorConfig(16, WIDTHS, MappingConfig(2, 24), z_dim=24, w_dim=24)),
  'conditional': (Discriminator, DiscriminatorConfig(16, WIDTHS, cmap_dim=24, **LABELS)),
  'discriminator': (Discriminator, DiscriminatorConfig(16, WIDTHS)),
  'unet': (UNet, UNetConfig(3, 8, 16, 'batch')),
  'patchgan': (PatchGAN, PatchGANConfig(16, 8, 16)),
  'pixelgan': (PatchGAN, PatchGANConfig(1, 16, 32)),
  'lpips': (LPIPS, (16,) * 13),
  'inception': (Block, 8, BLOCKS['Mixed_7b'], 2),  # all its 94 layers would take half a minute
  'classifier': (Classifier, ClassifierConfig(('no', 'yes'), 'yes', widths=(8, 16))),
  'hourglass': (Hourglass, plain_config(2, double=True, width=4)),
}
KERNELS = ('weight', 'kernel', 'const', 'noise_const')


@functools.cache
def made(name):
  return initialised(*NETWORKS[name], key=KEY)


@pytest.mark.parametrize('name', NETWORKS)
def test_every_kernel_is_drawn_and_none_twice(name):
  tensors = tensors_of({'': made(name)})
  kernels = {
    path: tensor.ravel()[:8]
    for path, tensor in tensors.items()
    if path.rpartition('.')[2] in KERNELS and not path.startswith('lin')
  }
  assert all(len(set(map(float, kernel))) == kernel.size for kernel in kernels.values())
  assert len({kernel.tobytes() for kernel in kernels.values()}) == len(kernels) > 1
  assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize('name', ['generator', 'unet'])
def test_the_key_decides(name):
  again, other = (initialised(*NETWORKS[name], key=jax.random.key(seed)) for seed in (0, 1))
  same, again, other = (tensors_of({'': network}) for network in (made(name), again, other))
  for path, tensor in same.items():
    np.testing.assert_array_equal(tensor, again[path])
  assert any(not np.array_equal(tensor, other[path]) for path, tensor in same.items())


def spread(tensors, *ends):
  """Standard deviation of all tensors whose names end so."""
  found = [tensor.ravel() for name, tensor in tensors.items() if name.endswith(ends)]
  return float(np.concatenate(found).std())


def test_stylegan2_starts_from_the_normal_distribution_over_the_rate_multiplier():
  generator = tensors_of({'': made('generator')})
  discriminator = tensors_of({'': made('discriminator')})
  assert spread(generator, 'fc0.weight', 'fc1.weight') == pytest.approx(100, rel=0.1)
  assert spread(generator, 'conv0.weight', 'conv1.weight') == pytest.approx(1, rel=0.1)
  assert spread(discriminator, 'weight') == pytest.approx(1, rel=0.1)
  for name, tensor in (generator | discriminator).items():
    if name.endswith(('bias', 'noise_strength', 'w_avg')):
      np.testing.assert_array_equal(tensor, 1.0 if 'affine' in name else 0.0)


def test_pix2pix_starts_from_a_deviation_of_a_fiftieth():
  for name in ('unet', 'patchgan'):
    tensors = tensors_of({'': made(name)})
    assert spread(tensors, 'kernel') == pytest.approx(0.02, rel=0.1)
    scales = np.concatenate([x for path, x in tensors.items() if path.endswith('scale')])
    assert scales.mean() == pytest.approx(1, abs=0.02)
    assert 0.01 < scales.std() < 0.03


def test_layers_for_relu_keep_the_size_of_what_they_see():
  lpips = made('lpips')
  image = jax.random.normal(KEY, (32, 32, 3))
  sizes = [float(jnp.sqrt(jnp.mean(jnp.square(tap)))) for tap in jax.jit(lpips.taps)(image)]
  assert all(0.3 < size < 6 for size in sizes), sizes


def test_a_generator_may_be_sampled_as_it_is():
  generator = made('generator')
  draw = jax.jit(lambda generator, z: generator.synthesis(generator.mapping(z)))
  one, other = (draw(generator, jax.random.normal(jax.random.key(i), (24,))) for i in range(2))
  assert float(one.std()) > 0.1
  assert float(jnp.abs(one - other).mean()) > 0.1


@pytest.mark.parametrize('name', NETWORKS)
def test_shapes_alone_take_no_memory(name):
  network = abstract(*NETWORKS[name])
  leaves = jax.tree.leaves(nnx.state(network, (nnx.Param, nnx.BatchStat)))
  assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
  drawn = made(name)
  assert shapes_of({'net': network}) == shapes_of({'net': drawn})
  assert nnx.split(network)[0] == nnx.split(drawn)[0]  # one structure, so one compiled program
