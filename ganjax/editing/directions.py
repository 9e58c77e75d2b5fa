"""Directions of latent spaces that change one attribute (Shen et al. 2020, InterFaceGAN).

Everything is written for one direction and can be vmapped.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganjax.runtime import extras

TEST_SHARE = 0.3
# Of the squared hinge loss, for points of unit length: with fewer points than dimensions, or not
# many more, a narrow margin would follow the noise.
SVM_C = 0.1
_SMALLEST_CLASS = 4  # leaves two to train on and one to test with


class Fit(NamedTuple):
  """A separating hyperplane: normal · x + intercept is positive on the side of the attribute."""

  normal: jax.Array  # of the points' shape; unit length over all its numbers
  intercept: jax.Array  # scalar; in units of the points
  train_accuracy: jax.Array  # mean of both classes' recalls
  test_accuracy: jax.Array  # the same, on the 30 % that were not fitted
  test_hits: jax.Array  # [2] int32, right answers of the other and of the attribute's class
  test_counts: jax.Array  # [2] int32, points that were asked about


def confident(scores: jax.Array, share: float) -> jax.Array:
  """Labels of the surest answers: the highest and the lowest scores, as many of either.

  By rank, not by sign, as Shen et al. do: where an attribute is rare, its own few latents would be
  too few to fit to.

  Args:
    scores: [N], the larger, the surer that the attribute is there.
    share: of all latents that is kept on each side, in (0, 0.5].

  Returns:
    int32 [N]: 1, −1, or 0 where the answer is not sure enough.
  """
  kept = int(scores.shape[0] * share)
  rank = jnp.argsort(jnp.argsort(scores))
  low, high = rank < kept, rank >= scores.shape[0] - kept
  return high.astype(jnp.int32) - low.astype(jnp.int32)


def fit_direction(points: jax.Array, labels: jax.Array, seed: int | jax.Array = 0) -> Fit:
  """Fits a linear support vector machine, scikit-learn's, to 70 % of the labelled latents.

  Classes weigh alike, however many latents each has.

  Args:
    points: latents, [N, …].
    labels: int [N], 1 or −1; points of label 0 are left out.
    seed: of the split.

  Returns:
    A `Fit`; NaN, with no answers counted, where a class has fewer than four points.
  """
  with extras.needs('edit'):
    import sklearn  # noqa: F401  # here, because nobody would read an error of the callback's

  dtype = jnp.float32
  shapes = (
    jax.ShapeDtypeStruct(points.shape[1:], dtype),
    *[jax.ShapeDtypeStruct((), dtype)] * 3,
    *[jax.ShapeDtypeStruct((2,), jnp.int32)] * 2,
  )
  seed = jnp.asarray(seed, jnp.int32)
  return Fit(*jax.pure_callback(_fit, shapes, points, labels, seed, vmap_method='sequential'))


def _fit(points, labels, seed) -> tuple[Any, ...]:
  """`fit_direction` on the host; the fields of a `Fit` in NumPy."""
  from sklearn.model_selection import train_test_split  # a second that other tasks need not wait
  from sklearn.svm import LinearSVC

  points, labels = np.asarray(points, np.float64), np.asarray(labels)
  shape = points.shape[1:]
  kept, wanted = points[labels != 0].reshape(-1, int(np.prod(shape))), labels[labels != 0]
  if min(np.sum(wanted == 1), np.sum(wanted == -1)) < _SMALLEST_CLASS:
    nan, none = np.float32(np.nan), np.zeros(2, np.int32)
    return np.full(shape, nan), nan, nan, nan, none, none
  train, test, train_labels, test_labels = train_test_split(
    kept, wanted, test_size=TEST_SHARE, random_state=int(seed), stratify=wanted
  )
  centre = train.mean(axis=0)
  spread = max(float(np.sqrt(np.mean(np.sum((train - centre) ** 2, axis=1)))), 1e-12)
  machine = LinearSVC(C=SVM_C, class_weight='balanced', dual=False, max_iter=10_000)
  machine.fit((train - centre) / spread, train_labels)
  normal = machine.coef_[0] / np.linalg.norm(machine.coef_[0])
  offset = machine.intercept_[0] * spread / np.linalg.norm(machine.coef_[0])
  intercept = offset - normal @ centre

  def answers(part, own):
    right = (part @ normal + intercept > 0) == (own > 0)
    counts = np.array([np.sum(own == sign) for sign in (-1, 1)])
    return np.array([np.sum(right[own == sign]) for sign in (-1, 1)]), counts

  hits, counts = answers(train, train_labels)
  test_hits, test_counts = answers(test, test_labels)
  return (
    normal.reshape(shape).astype(np.float32),
    np.float32(intercept),
    np.float32(np.mean(hits / counts)),
    np.float32(np.mean(test_hits / test_counts)),
    test_hits.astype(np.int32),
    test_counts.astype(np.int32),
  )


def conditional(normal: jax.Array, others: jax.Array) -> jax.Array:
  """The part of a direction that leaves others alone (Shen et al. 2020, section 3.3).

  Args:
    normal: one direction, any shape.
    others: [K, *shape]; they may depend on one another.

  Returns:
    Unit length, orthogonal to all others; NaN where nothing is left.
  """
  flat = others.reshape(others.shape[0], -1)
  _, sizes, basis = jnp.linalg.svd(flat, full_matrices=False)
  basis = jnp.where((sizes > 1e-5 * jnp.max(sizes))[:, None], basis, 0.0)
  left = normal.reshape(-1)
  for _ in range(2):  # once more, since float32 leaves a trace where directions nearly agree
    left = left - (basis @ left) @ basis
  length = jnp.linalg.norm(left)
  alone = length > 1e-4 * jnp.linalg.norm(normal.reshape(-1))
  return jnp.where(alone, left / length, jnp.nan).reshape(normal.shape)


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
  """Of the angle between two directions of one shape; a scalar."""
  a, b = a.reshape(-1), b.reshape(-1)
  return a @ b / (jnp.linalg.norm(a) * jnp.linalg.norm(b))
