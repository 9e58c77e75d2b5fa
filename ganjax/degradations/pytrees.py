"""Classes of arrays as pytrees."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar('T')


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(dataclasses.field,))
def frozen_pytree(cls: type[T]) -> type[T]:
  """Makes a class a frozen dataclass and a pytree; a decorator.

  Fields are leaves, or pytrees themselves; those of the metadata `static=True` are a part of the
  structure. So is the class: `jax.tree_util.register_dataclass` forgets it (JAX 0.10), so that
  compiled programs of one class may be taken for those of another with fields of the same shapes.
  """
  cls = dataclasses.dataclass(frozen=True, eq=False)(cls)
  fields = dataclasses.fields(cls)  # type: ignore[arg-type]
  static = [field.name for field in fields if field.metadata.get('static')]
  leaves = [field.name for field in fields if not field.metadata.get('static')]

  def with_keys(node: Any) -> tuple[list, tuple]:
    keyed = [(jax.tree_util.GetAttrKey(name), getattr(node, name)) for name in leaves]
    return keyed, (cls, *(getattr(node, name) for name in static))

  def without_keys(node: Any) -> tuple[list, tuple]:
    keyed, structure = with_keys(node)
    return [leaf for _, leaf in keyed], structure

  def made(structure: tuple, values: Any) -> T:
    named = dict(zip(static, structure[1:], strict=True))
    return cls(**named, **dict(zip(leaves, values, strict=True)))

  jax.tree_util.register_pytree_with_keys(cls, with_keys, made, without_keys)
  return cls
