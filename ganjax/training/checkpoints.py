"""Checkpoints of a training run: asynchronous, of any pytree, on any number of processes."""

import os
from typing import Any

import jax
import jax.numpy as jnp

from ganjax.errors import TrainingError
from ganjax.runtime import extras

# Of a state's tree: to be raised whenever a state's fields change. Checkpoints that do not say are
# of version 0.1.0, whose format is 1.
FORMAT = 1


class Checkpoints:
  """The last few checkpoints of one run, in a folder of their own; a context manager.

  Every process of a run makes one and calls the same methods at the same steps.
  """

  def __init__(self, folder: str | os.PathLike, keep: int = 2):
    """Args:
    folder: of the checkpoints alone; made if missing. All processes see the same one.
    keep: how many of the latest remain.
    """
    with extras.needs('train'):
      import orbax.checkpoint.experimental.v1 as ocp  # other tasks do without it
      from etils import epath

    self._folder = epath.Path(folder)
    context = ocp.Context()
    # The devices of a process would write slices of one array, which are compiled one by one.
    context.array.saving.use_replica_parallel = False
    self._checkpointer = ocp.training.Checkpointer(
      self._folder if '://' in str(folder) else self._folder.resolve(),
      context=context,
      preservation_policy=ocp.training.preservation_policies.LatestN(keep),
      cleanup_tmp_directories=True,
    )

  @property
  def latest(self) -> int | None:
    """The step of the newest checkpoint; None where there is none."""
    newest = self._checkpointer.latest
    return None if newest is None else newest.step

  def save(self, step: int, state: Any) -> bool:
    """Starts to write a checkpoint and returns as soon as `state` may change.

    Args:
      step: how many steps have been taken; a step that is saved already is left as it is.
      state: a pytree of arrays.

    Returns:
      False, and nothing is written, where `state` holds a number that is not finite.

    Raises:
      TrainingError: an earlier checkpoint could not be written.
    """
    if self.latest is not None and step <= self.latest:
      return True
    if not bool(_all_finite(state)):
      return False
    try:
      self._checkpointer.save_async(step, state, force=True, custom_metadata={'format': FORMAT})
    except OSError as error:
      raise self._explained(error) from None
    return True

  def restore(self, like: Any) -> Any:
    """The newest checkpoint's state.

    Args:
      like: the state of a run that begins: shapes, types and placing on devices are taken from it.

    Raises:
      TrainingError: there is none, or it belongs to another network or version of ganjax.
    """
    self.wait()
    if self.latest is None:
      raise TrainingError(f'{self._folder}: holds no checkpoint; train first')
    self._check_format()
    abstract = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
    )
    try:
      return self._checkpointer.load(None, abstract)
    except (ValueError, KeyError, TypeError, OSError) as error:
      reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ''
      raise TrainingError(
        f'{self._folder}/{self.latest}: cannot be read ({reason}); delete it, or train anew with '
        '--overwrite'
      ) from None

  def _check_format(self) -> None:
    kept = self._checkpointer.metadata().custom_metadata or {}
    if (found := kept.get('format', 1)) != FORMAT:
      raise TrainingError(
        f'{self._folder}/{self.latest}: has format {found}, ganjax writes {FORMAT} now; '
        'go on with the version that wrote it, or train anew with --overwrite'
      )

  def wait(self) -> None:
    """Returns when everything is written."""
    try:
      self._checkpointer.wait()
    except OSError as error:
      raise self._explained(error) from None

  def close(self) -> None:
    """Waits, and lets go of the folder."""
    self._checkpointer.close()

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, *_: object) -> None:
    self.close()

  def _explained(self, error: OSError) -> TrainingError:
    reason = error.strerror or error
    return TrainingError(
      f'{self._folder}: a checkpoint cannot be written ({reason}); free space; '
      'the same command goes on from the last one'
    )


@jax.jit
def _all_finite(state: Any) -> jax.Array:
  floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)]
  return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in floats]))
