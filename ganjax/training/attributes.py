"""Fits, calibrates and measures attribute classifiers."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from ganjax.models.classifier import Classifier, ClassifierConfig
from ganjax.pixels import to_float

SHIFT = 4  # px of the reduced picture, in both directions
BRIGHTNESS, CONTRAST = 0.2, 0.2
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.05
AVERAGED = 0.01  # of each step's weights go into the average


class Accuracy(NamedTuple):
  """How well a classifier does on pictures that it has not seen."""

  confusion: np.ndarray  # [num_classes, num_classes]: true class, answer
  recalls: np.ndarray  # [num_classes]
  intervals: np.ndarray  # [num_classes, 2]: 95 % Wilson intervals of the recalls
  balanced: float  # mean recall
  balanced_interval: tuple[float, float]  # 95 %, bootstrap within classes
  calibration_error: float  # expected, ten bins of confidence (Guo et al. 2017)


def fit(
  config: ClassifierConfig,
  pictures: np.ndarray,
  labels: np.ndarray,
  num_steps: int,
  batch_size: int = 128,
  learning_rate: float = 2e-3,
  seed: int = 0,
  on_step: Callable[[int, float], None] | None = None,
) -> Classifier:
  """Trains on batches that hold as many pictures of one class as of another.

  Args:
    config: of the classifier.
    pictures: uint8 [N, side, side, 3].
    labels: [N], indices of the classes; every class occurs.
    num_steps, batch_size, learning_rate: AdamW with a cosine that falls to 0.
    seed: of initial weights, batches and augmentation (mirror, softness, shift, light).
    on_step: called with the step and the loss now and then.

  Returns:
    A classifier whose weights are the average over the last steps; temperature not fitted yet.
  """
  rng = np.random.default_rng(seed)
  members = [np.flatnonzero(labels == i) for i in range(len(config.classes))]
  graph, params = nnx.split(Classifier(config, rngs=nnx.Rngs(seed)))
  warm = max(1, num_steps // 20)
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, warm, max(2, num_steps))
  optimiser = optax.adamw(schedule, weight_decay=WEIGHT_DECAY)

  @jax.jit
  def step(params, average, state, images, targets, key, share):
    keys = jax.random.split(key, images.shape[0])

    def loss_of(params):
      images_ = jax.vmap(_augment)(images, keys)
      logits = jax.vmap(nnx.merge(graph, params).raw_logits)(images_)
      soft = optax.smooth_labels(jax.nn.one_hot(targets, logits.shape[1]), LABEL_SMOOTHING)
      return jnp.mean(optax.softmax_cross_entropy(logits, soft))

    loss, gradient = jax.value_and_grad(loss_of)(params)
    with jax.numpy_dtype_promotion('standard'):  # optax counts steps in int32
      updates, state = optimiser.update(gradient, state, params)
    params = optax.apply_updates(params, updates)
    average = optax.incremental_update(params, average, share)
    return params, average, state, loss

  average, state, key = params, optimiser.init(params), jax.random.key(seed)
  for i in range(num_steps):
    # Every class fills its share; what does not divide evenly goes round.
    counts = [(batch_size + i + c) // len(members) for c in range(len(members))]
    chosen = np.concatenate([rng.choice(m, n) for m, n in zip(members, counts, strict=True)])
    chosen = chosen[:batch_size] if len(members) > 2 else rng.permutation(chosen)[:batch_size]
    key, own = jax.random.split(key)
    targets = jnp.asarray(labels[chosen], jnp.int32)
    share = np.float32(max(AVERAGED, 10 / (10 + i)))  # soon forgets where it started
    params, average, state, loss = step(
      params, average, state, pictures[chosen], targets, own, share
    )
    if on_step is not None and ((i + 1) % 50 == 0 or i + 1 == num_steps):
      on_step(i + 1, float(loss))
  return nnx.merge(graph, average)


def _augment(pixels: jax.Array, key: jax.Array) -> jax.Array:
  """uint8 [side, side, 3] -> float in about [-1, 1]: mirrored, softer, shifted, lit differently."""
  mirror, shift, bright, contrast, soft = jax.random.split(key, 5)
  image = to_float(pixels)
  image = jnp.where(jax.random.bernoulli(mirror), image[:, ::-1], image)
  # What a generator draws is softer than a photograph.
  small = jax.image.resize(image, (image.shape[0] // 2, image.shape[1] // 2, 3), 'linear')
  image += jax.random.uniform(soft) * (jax.image.resize(small, image.shape, 'linear') - image)
  padded = jnp.pad(image, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode='edge')
  row, column = jax.random.randint(shift, (2,), 0, 2 * SHIFT + 1)
  image = jax.lax.dynamic_slice(padded, (row, column, jnp.zeros_like(row)), image.shape)
  scale = 1.0 + CONTRAST * jax.random.uniform(contrast, minval=-1.0)
  return image * scale + BRIGHTNESS * jax.random.uniform(bright, minval=-1.0)


def logits_of(classifier: Classifier, pictures: np.ndarray, block: int = 64) -> np.ndarray:
  """Calibrated logits [N, num_classes] of uint8 pictures [N, H, W, 3], by blocks."""
  found = []
  for start in range(0, len(pictures), block):
    part = pictures[start : start + block]
    padded = np.concatenate([part, np.repeat(part[-1:], block - len(part), axis=0)])
    found.append(np.asarray(_logits(classifier, padded))[: len(part)])
  return np.concatenate(found)


@jax.jit
def _logits(classifier: Classifier, pixels: jax.Array) -> jax.Array:
  return jax.vmap(lambda p: classifier(to_float(p)))(pixels)


def log_odds(logits: np.ndarray, at: int) -> np.ndarray:
  """Scores [N]: positive where class `at` is likelier than all others together."""
  others = np.delete(logits, at, axis=1)
  return logits[:, at] - np.logaddexp.reduce(others, axis=1)


def calibrate(classifier: Classifier, pictures: np.ndarray, labels: np.ndarray) -> Classifier:
  """Fits the temperature to pictures that were not trained on (Guo et al. 2017, section 4.2).

  Classes weigh alike, as in training, however many pictures each has.
  """
  logits = logits_of(classifier, pictures)
  temperatures = np.geomspace(0.25, 8.0, 141)
  weight = 1.0 / np.bincount(labels, minlength=logits.shape[1])[labels]

  def loss(temperature: float) -> float:
    scaled = logits / temperature
    log_p = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
    return -float(np.average(log_p[np.arange(len(labels)), labels], weights=weight))

  best = min(temperatures, key=loss) * classifier.config.temperature
  return with_config(classifier, temperature=float(best))


def with_config(classifier: Classifier, **changes: Any) -> Classifier:
  """A classifier of the same weights whose configuration differs in `changes`."""
  changed = nnx.merge(*nnx.split(classifier))
  changed.config = dataclasses.replace(classifier.config, **changes)
  return changed


def measure(logits: np.ndarray, labels: np.ndarray, seed: int = 0) -> Accuracy:
  """How often the most likely class is the right one.

  Args:
    logits: [N, num_classes].
    labels: [N]; every class occurs.
    seed: of the bootstrap's 2,000 draws.
  """
  count = logits.shape[1]
  answers = np.argmax(logits, axis=1)
  confusion = np.zeros((count, count), np.int64)
  np.add.at(confusion, (labels, answers), 1)
  totals = confusion.sum(axis=1)
  recalls = np.diag(confusion) / totals
  intervals = np.array([wilson(confusion[i, i], totals[i]) for i in range(count)])
  rng = np.random.default_rng(seed)
  draws = np.mean(
    [rng.binomial(totals[i], recalls[i], 2000) / totals[i] for i in range(count)], axis=0
  )
  low, high = np.percentile(draws, [2.5, 97.5])
  log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
  confidence, right = np.exp(log_p.max(axis=1)), answers == labels
  bins = np.minimum((confidence * 10).astype(int), 9)
  gaps = [
    abs(confidence[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b)
    for b in np.unique(bins)
  ]
  interval = (float(low), float(high))
  return Accuracy(
    confusion, recalls, intervals, float(recalls.mean()), interval, float(np.sum(gaps))
  )


def wilson(hits: int, total: int) -> tuple[float, float]:
  """The 95 % score interval of a share (Wilson 1927); (0, 1) where nothing was counted."""
  if not total:
    return 0.0, 1.0
  from scipy import stats  # a second that other tasks need not wait

  low, high = stats.binomtest(int(hits), int(total)).proportion_ci(0.95, 'wilson')
  return float(low), float(high)
