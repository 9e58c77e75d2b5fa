"""What `train_generator` is asked for, as a plan of training."""

from ganjax.models.architecture import (
  DiscriminatorConfig,
  GeneratorConfig,
  MappingConfig,
  channel_widths,
)
from ganjax.runtime import precision
from ganjax.tasks.settings import ConfigError
from ganjax.tasks.train.stylegan2_config import (
  ADA_KIMG,
  ADA_KIMG_FROM_WEIGHTS,
  KIMG,
  TrainGeneratorConfig,
)
from ganjax.training.stylegan2 import formulas, training_plan
from ganjax.weights import Networks


def plan(
  config: TrainGeneratorConfig, given: Networks | None, classes: int
) -> training_plan.StyleGAN2Plan:
  """What the flags ask for.

  Args:
    given: the networks to begin with.
    classes: how many the photographs have; 0 for none.

  Raises:
    ConfigError: the given networks have other classes.
  """
  generator, discriminator = _architectures(config, given, classes)
  if generator.c_dim != classes:
    raise ConfigError(
      f'{config.init_from}: has {generator.c_dim} classes, --input has {classes} '
      '(see --class_conditional)'
    )
  adaptive = config.augmentation == 'ada'
  default_ada = ADA_KIMG if given is None else ADA_KIMG_FROM_WEIGHTS
  gamma = formulas.r1_weight(generator.resolution, config.batch_size)
  ema_kimg = config.batch_size * 10 / 32 if config.ema_kimg is None else config.ema_kimg
  return training_plan.StyleGAN2Plan(
    generator,
    discriminator,
    config.batch_size,
    r1_gamma=gamma if config.r1_gamma is None else config.r1_gamma,
    r1_interval=config.r1_interval,
    path_weight=config.path_weight,
    path_interval=config.path_interval if config.path_weight else 0,
    style_mixing=config.style_mixing,
    learning_rate=config.learning_rate,
    ema_half_life=ema_kimg * KIMG,
    ema_ramp_up=0.05 if given is None else None,  # given weights are worth remembering
    mirror=config.mirror,
    augment=config.augmentation != 'none',
    augment_target=config.ada_target if adaptive else None,
    augment_rise=round((default_ada if config.ada_kimg is None else config.ada_kimg) * KIMG),
    seed=config.seed,
    dtype=precision.dtype(config.precision),
    dtype_from=config.bfloat16_from,
  )


def _architectures(
  config: TrainGeneratorConfig, given: Networks | None, classes: int
) -> tuple[GeneratorConfig, DiscriminatorConfig]:
  if given is not None:
    generator, channels = given.generator.config, given.generator.config.channels
    if given.discriminator is not None:
      return generator, given.discriminator.config
  else:
    assert config.side is not None, 'from_flags has seen to it'
    channels = channel_widths(config.side, config.channel_base, config.channel_max)
    mapping = MappingConfig(
      config.mapping_layers, config.z_dim, embed_features=config.z_dim if classes else 0
    )
    generator = GeneratorConfig(
      config.side, channels, mapping, z_dim=config.z_dim, c_dim=classes, w_dim=config.z_dim
    )
  width = channels[0] if classes else 0
  return generator, DiscriminatorConfig(
    generator.resolution,
    channels,
    MappingConfig(8, width, embed_features=width) if classes else None,
    c_dim=classes,
    cmap_dim=width,
  )
