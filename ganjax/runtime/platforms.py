"""The platform that programs are traced for: 'cpu', 'gpu' or 'tpu'.

CPUs and accelerators are quick at different formulations of the same thing: one image after another
or a whole batch, phase convolutions or strided ones. What is traced follows JAX's default device,
or what `traced_for` names, so that a program can be lowered or compiled for devices that are not
there. That is part of the key of JAX's caches: programs of two platforms never mix.
"""

import contextlib
from collections.abc import Iterator, Sequence

import jax
from jax.experimental.layout import Layout, with_layout_constraint

PLATFORMS = ('cpu', 'gpu', 'tpu')
_SYNONYMS = {'cuda': 'gpu', 'rocm': 'gpu'}

_platform = jax.make_user_context(None)
_devices = jax.make_user_context(None)


def current() -> str:
  """The platform of what is being traced; one of `PLATFORMS`, or JAX's name of another."""
  return _platform.value or jax.default_backend()


def is_cpu() -> bool:
  """Whether that is a CPU."""
  return current() == 'cpu'


def is_told() -> bool:
  """Whether `traced_for` says what is traced for, and not the devices that are there."""
  return bool(_platform.value or _devices.value)


def local_devices() -> list[jax.Device]:
  """The devices of this process that batches are split over."""
  return list(_devices.value or jax.local_devices())


def in_lanes(x: jax.Array, axis: int = -1) -> jax.Array:
  """Keeps one axis of an image's array in a TPU's lanes, which hold 128 values; `x` elsewhere.

  Of maps [H, W] of a small batch its compiler would rather fill them with the batch: room and
  traffic for 128 images instead of four.
  """
  if current() != 'tpu':
    return x
  order = [i for i in range(x.ndim) if i != axis % x.ndim]
  return with_layout_constraint(x, Layout(major_to_minor=(*order, axis % x.ndim)))


@contextlib.contextmanager
def traced_for(platform: str, devices: Sequence[jax.Device] = ()) -> Iterator[None]:
  """Within it, functions are traced as they are for a platform.

  Args:
    platform: 'cpu', 'gpu' (or 'cuda', 'rocm') or 'tpu'.
    devices: what batches are split over; by default those that are there.

  Raises:
    ValueError: it is none of these.
  """
  platform = _SYNONYMS.get(platform, platform)
  if platform not in PLATFORMS:
    raise ValueError(f'platform must be one of {PLATFORMS}, not {platform!r}')
  with _platform(platform), _devices(tuple(devices) or None):
    yield
