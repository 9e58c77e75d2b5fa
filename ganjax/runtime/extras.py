"""Packages that some tasks need, and a plain install leaves out: the extras of pyproject.toml."""

import contextlib
from collections.abc import Iterator

from ganjax.errors import GanjaxError


class MissingPackageError(GanjaxError):
  """A package that this task needs is not installed; the message says how to install it."""


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
  """Imports within it that fail name the extra that brings the package.

  Args:
    extra: 'bulk', 'edit', 'hub', 'ray' or 'train', as in pyproject.toml.

  Raises:
    MissingPackageError: a package is missing.
  """
  try:
    yield
  except ModuleNotFoundError as error:
    raise MissingPackageError(
      f"this needs {error.name}, which is not installed; run `pip install 'ganjax[{extra}]'`"
    ) from None
