"""How exactly networks compute, on every kind of device.

JAX's own default is the device's quickest: single precision on CPUs, TF32 (10 bits) on NVIDIA's
GPUs, bfloat16 (7 bits) on TPUs. ganjax says which it means.
"""

from typing import Any, get_args

import jax
import jax.numpy as jnp

from ganjax.choices import Precision
from ganjax.runtime import platforms

AUTO = 'auto'
# name -> (type of convolutions, precision of float32 products of matrices and convolutions)
_PRECISIONS = {
  'float32': (jnp.float32, 'highest'),
  'tf32': (jnp.float32, 'tensorfloat32'),  # on TPUs three passes of bfloat16; on CPUs float32
  'bfloat16': (jnp.bfloat16, 'highest'),
}
PRECISIONS = get_args(Precision)


def resolved(precision: str) -> str:
  """What 'auto' means on the platform at hand: float32 on CPUs, bfloat16 on accelerators."""
  if precision != AUTO:
    return precision
  return 'float32' if platforms.is_cpu() else 'bfloat16'


def dtype(precision: str) -> Any:
  """The type of the networks' convolutions.

  Raises:
    ValueError: there is no such precision.
  """
  if precision not in PRECISIONS:
    raise ValueError(f'precision must be one of {PRECISIONS}, not {precision!r}')
  return _PRECISIONS[resolved(precision)][0]


def of_operands(kind: Any) -> jax.lax.Precision | None:
  """The precision of a product of two arrays of a type.

  What is bfloat16 already is multiplied as it is; what is float32, as `set_default` says.
  """
  return jax.lax.Precision.DEFAULT if kind == jnp.bfloat16 else None


def set_default(precision: str) -> None:
  """Has this process compute float32 products as a precision says; before anything is traced."""
  name = 'float32' if precision == AUTO else precision
  jax.config.update('jax_default_matmul_precision', _PRECISIONS[name][1])
