"""Measures what docs/latent-space.md says: where answers change, who stays who, what moves along.

  python scripts/latent_space.py --output=out/latent-space

Some ten minutes of one quiet core. Prints the tables and writes them, with sheets of pictures, to
the output folder; run again, it goes on where it stopped.
"""

import dataclasses
import itertools
import json
import pathlib

import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging
from tqdm import tqdm

from ganjax import editing, inversion, weights
from ganjax.editing import rendering
from ganjax.pixels import to_float
from ganjax.tasks.latent import direction, interpolate, latent_sources, traverse
from ganjax.tasks.latent.latent_config import DirectionConfig
from ganjax.tasks.latent.latent_sources import AttributeScorer, Start

PSI = 0.7
NUM_FRAMES = 9  # of a path
FIRST_SEED = 10_000  # of the faces that walk: no sample that a direction was fitted to
SPACES = ('z', 'w', 'w_plus')


def main(argv: list[str]) -> None:
  del argv
  logging.set_verbosity(logging.WARNING)  # jax tells which backends it did not find
  options = flags.FLAGS
  folder = pathlib.Path(options.output)
  networks = weights.load()
  judge = AttributeScorer(weights.load_classifier())
  result = {'interpolation': _kept(folder / 'paths.json', networks, judge, options.num_pairs)}
  _print_paths(result['interpolation'])
  made = folder / 'directions'
  direction.run(_direction_config(made, options.num_samples))
  result['directions'] = {
    f'under21_{space}': _provenance(made, f'under21_{space}') for space in SPACES
  }
  walked = [made / f'directions/under21_{space}.npz' for space in SPACES]
  others = tuple(options.other_classifiers)
  result['walks'] = walks(folder / 'walks', walked, others, options.num_faces)
  if others:
    result |= _without_others(folder, others, options)
  (folder / 'figures.json').write_text(json.dumps(result, indent=2), 'utf-8')
  print(f'figures: {folder / "figures.json"}')


def _provenance(folder: pathlib.Path, name: str) -> dict:
  with np.load(folder / f'directions/{name}.npz') as file:
    return json.loads(str(file['provenance']))


def _without_others(folder: pathlib.Path, others: tuple[str, ...], options) -> dict:
  """The directions of the other classifiers in W, and walks that leave them alone."""
  given = []
  for path in others:
    target = weights.load_classifier(path).target
    made = folder / f'directions_{target}'
    own = _direction_config(made, options.num_samples)
    direction.run(dataclasses.replace(own, classifier=path, spaces=('w',)))
    given.append(made / f'directions/{target}_w.npz')
  made = folder / 'directions_conditional'
  own = _direction_config(made, options.num_samples)
  names = tuple(str(path) for path in given)
  direction.run(dataclasses.replace(own, spaces=('w',), conditional_on=names))
  walked = [made / 'directions/under21_w_conditional.npz']
  beside = (*others, *names, str(folder / 'directions/directions/under21_w.npz'))
  return {'conditional': walks(folder / 'walks_conditional', walked, beside, options.num_faces)}


def _kept(path: pathlib.Path, networks, judge, num_pairs: int) -> dict[str, dict]:
  """What `paths` found, now or in an earlier run."""
  if not path.exists():
    found = paths(networks, judge, num_pairs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2), 'utf-8')
  return json.loads(path.read_text('utf-8'))


def paths(networks: weights.Networks, judge: AttributeScorer, num_pairs: int) -> dict[str, dict]:
  """Interpolates between faces of different answers; means over the pairs, by path."""
  generator = networks.generator
  z = [editing.seeded(seed, generator.config.z_dim) for seed in range(40 * num_pairs)]
  over, under = [], []
  # Until there are enough of both; each block of seeds is asked about once.
  for start in range(0, len(z), 64):
    block = np.stack(z[start : start + 64])
    logits = rendering.classifier_logits(generator, judge.attribute.classifier, block, PSI, 'z')
    scores = judge.of_logits(logits)
    over += [block[i] for i in np.flatnonzero(scores < -1)]
    under += [block[i] for i in np.flatnonzero(scores > 1)]
    if min(len(over), len(under)) >= num_pairs:
      break
  count = min(len(over), len(under), num_pairs)
  perceptual = inversion.make_prior(networks).perceptual
  found: dict[str, list[dict]] = {path: [] for path in interpolate.SEED_PATHS}
  for a, b in tqdm(list(zip(over[:count], under[:count], strict=True)), desc='pairs'):
    for path, records in found.items():
      records.append(_path(networks, judge, perceptual, path, a, b))
  return {path: _means(records) for path, records in found.items()}


def _path(networks, judge, perceptual, path, a, b) -> dict:
  space, method = interpolate.PATHS[path]
  first, last = (
    jnp.asarray(latent_sources.within(Start('', '', 'z', z, {}), space, networks, PSI))
    for z in (a, b)
  )
  shares = jnp.linspace(0.0, 1.0, NUM_FRAMES)
  points = np.asarray(editing.interpolate(first, last, shares, method))
  pictures = rendering.draw(networks.generator, latent_sources.rows(points, space, networks, PSI))
  scores = judge.scores(pictures)
  steps = [
    float(inversion.distance(perceptual, to_float(x), to_float(y)))
    for x, y in itertools.pairwise(pictures)
  ]
  answers = scores > 0
  return {
    'flips_at': int(editing.flip(jnp.asarray(scores))),
    'flips': int(np.sum(answers[1:] != answers[:-1])),
    'perceptual_length': float(np.sum(steps)),
    'largest_step': float(np.max(steps)),
    'largest_share': float(np.max(steps) / np.sum(steps)),
    'score_jump': float(np.max(np.abs(np.diff(scores)))),
  }


def _means(records: list[dict]) -> dict:
  result: dict = {'pairs': len(records)}
  for name in records[0]:
    values = np.array([record[name] for record in records], float)
    margin = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    result[name] = [round(float(values.mean()), 4), round(float(margin), 4)]
  result['more_than_one_flip'] = int(sum(record['flips'] > 1 for record in records))
  flips = [record['flips_at'] for record in records]
  result['histogram'] = np.bincount(flips, minlength=NUM_FRAMES).tolist()
  return result


def _print_paths(found: dict[str, dict]) -> None:
  print('| path | changes at step | changes more than once | perceptual length | largest step |')
  print('|---|---|---|---|---|')
  for path, row in found.items():
    cells = [
      '{:.2f} ± {:.2f}'.format(*row[name])
      for name in ('flips_at', 'perceptual_length', 'largest_step')
    ]
    print(
      f'| {path} | {cells[0]} | {row["more_than_one_flip"]} of {row["pairs"]} | {cells[1]} | '
      f'{cells[2]} |'
    )


def _direction_config(output: pathlib.Path, num_samples: int) -> DirectionConfig:
  return DirectionConfig(
    task='direction',
    output=str(output),
    overwrite=False,
    input='',
    weights=None,
    precision='float32',
    classifier=None,
    truncation_psi=PSI,
    batch_size=1,
    seeds=(0, 1, 2),
    inversion=None,
    methods=('svm',),
    spaces=(),
    num_samples=num_samples,
    seed=0,
    confident_share=0.2,
    labels='',
    target_class='',
    conditional_on=(),
    num_directions=1,
    layers=(),
  )


def walks(
  folder: pathlib.Path, directions: list[pathlib.Path], others: tuple[str, ...], num_faces: int
) -> dict:
  """Walks many faces, as --task=traverse does; its summary."""
  config = traverse.TraverseConfig(
    task='traverse',
    output=str(folder),
    overwrite=False,
    input='',
    weights=None,
    precision='float32',
    classifier=None,
    truncation_psi=PSI,
    batch_size=1,
    seeds=tuple(range(FIRST_SEED, FIRST_SEED + num_faces)),
    inversion=None,
    directions=tuple(map(str, directions)),
    others=others,
    max_step=3.0,
    num_frames=7,
    layers=(),
  )
  traverse.run(config)
  return json.loads((folder / 'summary.json').read_text('utf-8'))


if __name__ == '__main__':
  flags.DEFINE_string('output', 'out/latent-space', 'Folder for everything that is written.')
  flags.DEFINE_integer('num_samples', 1500, 'Latents that directions are fitted to.')
  flags.DEFINE_integer('num_pairs', 24, 'Interpolations.')
  flags.DEFINE_integer('num_faces', 20, 'Faces that walk.')
  flags.DEFINE_list('other_classifiers', [], 'Files of train_classifier that are asked, too.')
  app.run(main)
