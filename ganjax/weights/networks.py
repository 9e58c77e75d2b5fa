"""Weights files of StyleGAN2s."""

import dataclasses
import os
import pathlib

import jax

from ganjax.choices import INIT_AUTO
from ganjax.faces.template import Template
from ganjax.models.architecture import discriminator_config, generator_config
from ganjax.models.discriminator import Discriminator
from ganjax.models.encoder import Encoder
from ganjax.models.generator import Generator
from ganjax.models.initialisation import abstract
from ganjax.weights import encoders, tensor_file
from ganjax.weights.parameters import assign, compute_type

DEFAULT = pathlib.Path(__file__).parent / 'stylegan2-faces128.safetensors'


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Networks:
  """A generator with its discriminator (None if the file has none) and what came with them."""

  generator: Generator
  discriminator: Discriminator | None
  template: Template = dataclasses.field(metadata={'static': True})
  sha256: str = dataclasses.field(metadata={'static': True})
  # What inversions begin with; None to begin at the average face.
  encoder: Encoder | None = None
  encoder_sha256: str = dataclasses.field(default='', metadata={'static': True})

  @property
  def resolution(self) -> int:
    """Side of the images in px."""
    return self.generator.config.resolution

  def without_encoder(self) -> 'Networks':
    """The same, but that inversions begin at the average face."""
    return dataclasses.replace(self, encoder=None, encoder_sha256='')


def is_bundled(path: str | os.PathLike | None) -> bool:
  """Whether a weights file is the bundled generator's, or a copy of it on this machine.

  Args:
    path: as `load` takes it; what lies on the hub is not fetched for this.
  """
  if path is None:
    return True
  file = pathlib.Path(path)
  alike = file.is_file() and file.stat().st_size == DEFAULT.stat().st_size
  return alike and tensor_file.sha256(file) == tensor_file.sha256(DEFAULT)


def load(
  path: str | os.PathLike | None = None,
  precision: str = 'float32',
  remat: bool = False,
  init: str | os.PathLike = INIT_AUTO,
) -> Networks:
  """Loads a StyleGAN2.

  Args:
    path: a file made by `python -m ports.stylegan2`, on this machine or as 'hf://owner/name/file';
      None for the bundled 128 px face generator.
    precision: of the convolutions; one of `runtime.precision.PRECISIONS`: 'float32', 'tf32',
      'bfloat16', or 'auto', which is the first on CPUs and the last on accelerators. The type
      alone is set: on accelerators JAX's default_matmul_precision says what float32 is worth.
    remat: gradients compute the generator's blocks again instead of storing them: about a third
      more work, and far less memory. Results are the same.
    init: where inversions begin: 'encoder', at what a trained encoder makes of the photo;
      'average', at the average face; 'auto', the former if one for these weights comes with
      ganjax; or the file of an encoder that `--task=train_encoder` made.

  Raises:
    WeightsError: a file is missing, broken, of another family, or its tensors are not exactly
      those of the architecture in its header; the encoder is one of another generator.
  """
  path = DEFAULT if path is None else path
  tensors, header = tensor_file.read_family(path, 'stylegan2')
  dtype = compute_type(precision)
  with tensor_file.reading_header(path):
    generator = abstract(Generator, generator_config(header['generator']), dtype)
    generator.synthesis.remat = remat
    entry = header.get('discriminator')
    discriminator = abstract(Discriminator, discriminator_config(entry), dtype) if entry else None
    template = Template(**header['template'])
  modules = {'generator': generator, 'discriminator': discriminator}
  assign({name: m for name, m in modules.items() if m is not None}, tensors, path)
  sha256 = tensor_file.sha256(path)
  networks = Networks(generator, discriminator, template, sha256)
  found = encoders.find(sha256, init)
  if found is None:
    return networks
  encoder, own = encoders.load_encoder(found, sha256), tensor_file.sha256(found)
  return dataclasses.replace(networks, encoder=encoder, encoder_sha256=own)
