"""What a StyleGAN2 looks like: the part of a weights file's header that builds the modules."""

import dataclasses
import math
from typing import Any, Literal, get_args

Architecture = Literal['skip', 'resnet', 'orig']


@dataclasses.dataclass(frozen=True)
class MappingConfig:
  """The fully connected network from z (and a label) to w."""

  num_layers: int = 8
  layer_features: int = 512
  embed_features: int = 0
  lr_multiplier: float = 0.01


@dataclasses.dataclass(frozen=True)
class GeneratorConfig:
  """A generator. `channels` holds the width at 4, 8, … resolution px, in this order."""

  resolution: int
  channels: tuple[int, ...]
  mapping: MappingConfig
  architecture: Architecture = 'skip'
  z_dim: int = 512
  c_dim: int = 0
  w_dim: int = 512
  conv_clamp: float | None = None
  use_noise: bool = True
  img_channels: int = 3

  @property
  def num_ws(self) -> int:
    """Rows of W+: one per convolution and one for the last ToRGB."""
    return 2 * len(self.channels)


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
  """A discriminator. `channels` holds the width at 4, 8, … resolution px, in this order."""

  resolution: int
  channels: tuple[int, ...]
  mapping: MappingConfig | None = None
  architecture: Architecture = 'resnet'
  c_dim: int = 0
  cmap_dim: int = 0
  conv_clamp: float | None = None
  mbstd_group_size: int = 4
  mbstd_num_channels: int = 1
  img_channels: int = 3


def resolutions(resolution: int) -> tuple[int, ...]:
  """4, 8, … `resolution`.

  Raises:
    ValueError: `resolution` is not a power of two of at least 8.
  """
  if resolution < 8 or resolution & (resolution - 1):
    raise ValueError(f'resolution must be a power of two of at least 8, not {resolution}')
  return tuple(2**i for i in range(2, int(math.log2(resolution)) + 1))


def channel_widths(resolution: int, channel_base: int, channel_max: int) -> tuple[int, ...]:
  """The usual widths `min(channel_base // r, channel_max)` at r = 4, 8, … `resolution`."""
  return tuple(min(channel_base // r, channel_max) for r in resolutions(resolution))


def generator_config(fields: dict[str, Any]) -> GeneratorConfig:
  """Builds the configuration from the header's 'generator' entry.

  Raises:
    ValueError: an entry is missing, unknown or impossible.
  """
  return _config(GeneratorConfig, fields)


def discriminator_config(fields: dict[str, Any]) -> DiscriminatorConfig:
  """Builds the configuration from the header's 'discriminator' entry.

  Raises:
    ValueError: an entry is missing, unknown or impossible.
  """
  return _config(DiscriminatorConfig, fields)


def _config(cls, fields):
  expected = {field.name for field in dataclasses.fields(cls)}
  if set(fields) != expected:
    raise ValueError(f'{cls.__name__} needs exactly {sorted(expected)}, not {sorted(fields)}')
  if fields['architecture'] not in get_args(Architecture):
    raise ValueError(f'unknown architecture {fields["architecture"]!r}')
  sizes = resolutions(fields['resolution'])
  widths = fields['channels']
  if sorted(widths, key=int) != [str(r) for r in sizes]:
    raise ValueError(f'channels must be given at {sizes}, not at {sorted(widths, key=int)}')
  mapping = fields['mapping']
  return cls(
    **{
      **fields,
      'channels': tuple(int(widths[str(r)]) for r in sizes),
      'mapping': None if mapping is None else MappingConfig(**mapping),
    }
  )


def header_entry(config: GeneratorConfig | DiscriminatorConfig) -> dict[str, Any]:
  """The inverse of `generator_config` and `discriminator_config`."""
  fields = dataclasses.asdict(config)
  sizes = resolutions(config.resolution)
  return {**fields, 'channels': {str(r): c for r, c in zip(sizes, config.channels, strict=True)}}
