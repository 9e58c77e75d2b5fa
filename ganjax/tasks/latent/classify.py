"""Classify faces by an attribute, and train a classifier of any other attribute."""

import csv
import io
import json

import numpy as np
from PIL import Image
from tqdm import tqdm

from ganjax import data, faces, report, weights
from ganjax.choices import INIT_AVERAGE
from ganjax.data.labelled import Labelled, find_labelled
from ganjax.models.classifier import ClassifierConfig
from ganjax.restoration.faces import Photo, Search, faces_of, unfinished
from ganjax.tasks import console
from ganjax.tasks.latent.classify_config import ClassifyConfig, TrainConfig
from ganjax.tasks.settings import ConfigError
from ganjax.training import attributes

CROP = 128  # px, of the crops that a classifier reduces to its own side
# Of the training pictures, kept back to fit the temperature; and of all, where none are marked as
# validation, kept back to measure.
CALIBRATION_SHARE, VALIDATION_SHARE = 0.1, 0.15


def run(config: ClassifyConfig | TrainConfig) -> int:
  """Runs the task; returns the number of failures."""
  return _classify(config) if isinstance(config, ClassifyConfig) else _train(config)


def _classify(config: ClassifyConfig) -> int:
  attribute = weights.load_classifier(config.classifier)
  items = data.find(config.input)
  record = config.record(attribute.sha256)
  with data.Store.open(config.output, record, config.overwrite) as store:
    search = Search(attribute.template, CROP, config.align, config.box)
    for face in unfinished(store, items, search):
      logits = attributes.logits_of(attribute.classifier, face.crop.image[None], 1)[0]
      store.add_result(
        {
          'name': face.name,
          'source': face.source,
          'num_results': face.num_faces,
          'task': config.task,
          'files': {'aligned': store.write_image('aligned', face.name, face.crop.image)},
          **answer(attribute.classes, logits),
        }
      )
    _write_answers(store, attribute.classes)
    page = report.write_report(store.folder)
    for record in store.results:
      print(f'{record["name"]}: {record["class"]} ({record["probability"]:.0%})')
    print(f'report: {page}')
    return console.print_failures(store)


def answer(classes: tuple[str, ...], logits: np.ndarray) -> dict:
  """What results.jsonl keeps of one answer."""
  p = np.exp(logits - np.logaddexp.reduce(logits))
  best = int(np.argmax(p))
  probabilities = {name: round(float(p[i]), 5) for i, name in enumerate(classes)}
  return {
    'class': classes[best],
    'probability': round(float(p[best]), 5),
    'probabilities': probabilities,
  }


def _write_answers(store: data.Store, classes: tuple[str, ...]) -> None:
  table = io.StringIO()
  writer = csv.writer(table)
  writer.writerow(['name', 'source', 'class', 'probability', *classes])
  for r in store.results:
    shares = [r['probabilities'][name] for name in classes]
    writer.writerow([r['name'], r['source'], r['class'], r['probability'], *shares])
  store.write_bytes('classes.csv', table.getvalue().encode())
  cells = [
    report.Cell(
      data.decode(store.folder / r['files']['aligned']), f'{r["class"]} {r["probability"]:.0%}'
    )
    for r in store.results[: report.MAX_CELLS]
  ]
  if cells:
    rows = [cells[i : i + 8] for i in range(0, len(cells), 8)]
    store.write_bytes('grid.png', data.encode_png(report.sheet(rows)))


def _train(config: TrainConfig) -> int:
  found = find_labelled(config.input)
  classes = tuple(sorted({labelled.label for labelled in found}))
  target = config.target_class or classes[-1]
  if target not in classes:
    raise ConfigError(f'--target_class={target}: the classes are {", ".join(classes)}')
  template = weights.load(config.weights, init=INIT_AVERAGE).template
  architecture = ClassifierConfig(classes, target)
  with data.Store.open(config.output, config.record(), config.overwrite) as store:
    kept, pictures = _pictures(store, found, template, architecture.side, config)
    labels = np.array([classes.index(labelled.label) for labelled in kept])
    parts = _split([labelled.split for labelled in kept], labels, classes, config.seed)
    fitting, held, validation = parts
    with tqdm(total=config.num_steps, desc='train_classifier', unit='step') as bar:

      def show(step: int, loss: float) -> None:
        bar.update(step - bar.n)
        bar.set_postfix_str(f'loss {loss:.4f}')

      classifier = attributes.fit(
        architecture,
        pictures[fitting],
        labels[fitting],
        config.num_steps,
        learning_rate=config.learning_rate,
        seed=config.seed,
        on_step=show,
      )
    classifier = attributes.calibrate(classifier, pictures[held], labels[held])
    accuracy = attributes.measure(
      attributes.logits_of(classifier, pictures[validation]), labels[validation], config.seed
    )
    figures = _figures(classes, accuracy, [len(part) for part in parts], classifier.config)
    weights.save_classifier(
      store.folder / 'classifier.safetensors',
      classifier,
      template,
      {**figures, 'num_steps': config.num_steps, 'seed': config.seed},
    )
    store.write_bytes('accuracy.json', json.dumps(figures, indent=2).encode())
    store.add_result({'name': 'classifier', 'source': config.input, 'task': config.task} | figures)
    _print(classes, accuracy)
    print(f'classifier: {store.folder / "classifier.safetensors"}')
    return console.print_failures(store)


def _pictures(
  store: data.Store,
  found: list[Labelled],
  template: faces.Template,
  side: int,
  config: TrainConfig,
) -> tuple[list[Labelled], np.ndarray]:
  """The first face of every picture that can be read, uint8 [N, side, side, 3]."""
  kept, pictures = [], []
  for labelled in tqdm(found, desc='reading', unit='picture'):
    item = labelled.item
    try:
      face = faces_of(Photo.in_file(item), Search(template, CROP, config.align))[0]
    except (data.ImageError, faces.FaceError) as error:
      store.add_failure(item.path, item.name, error)
      continue
    # The same triangle that `Classifier.reduce` smooths with.
    small = Image.fromarray(face.crop.image).resize((side, side), Image.Resampling.BILINEAR)
    kept.append(labelled)
    pictures.append(np.asarray(small))
  if not pictures:
    raise data.SourceError(f'{config.input}: none of the pictures can be used')
  return kept, np.stack(pictures)


def _split(
  splits: list[str], labels: np.ndarray, classes: tuple[str, ...], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Indices to train on, to calibrate with and to measure on; each holds every class."""
  rng = np.random.default_rng(seed)
  marked = np.array(splits)
  parts: tuple[list, list, list] = ([], [], [])
  for label, name in enumerate(classes):
    members = rng.permutation(np.flatnonzero(labels == label))
    validation = members[marked[members] == 'validation']
    rest = members[marked[members] != 'validation']
    if 'validation' not in splits:
      count = max(1, round(VALIDATION_SHARE * len(members)))
      validation, rest = members[:count], members[count:]
    held = max(1, round(CALIBRATION_SHARE * len(rest)))
    if len(rest) < 2 or not len(validation):
      raise data.SourceError(
        f'class {name!r} has {len(members)} usable pictures; each class needs some to train on, '
        'to calibrate with and to measure on'
      )
    for part, indices in zip(parts, (rest[held:], rest[:held], validation), strict=True):
      part.append(indices)
  fitting, calibration, validation = (np.concatenate(part) for part in parts)
  return fitting, calibration, validation


def _figures(
  classes: tuple[str, ...],
  accuracy: attributes.Accuracy,
  counts: list[int],
  config: ClassifierConfig,
) -> dict:
  return {
    'pictures': dict(zip(('training', 'calibration', 'validation'), counts, strict=True)),
    'balanced_accuracy': round(accuracy.balanced, 4),
    'balanced_accuracy_95': [round(v, 4) for v in accuracy.balanced_interval],
    'recall': {c: round(float(accuracy.recalls[i]), 4) for i, c in enumerate(classes)},
    'recall_95': {c: accuracy.intervals[i].round(4).tolist() for i, c in enumerate(classes)},
    'confusion': {c: accuracy.confusion[i].tolist() for i, c in enumerate(classes)},
    'calibration_error': round(accuracy.calibration_error, 4),
    'temperature': round(config.temperature, 4),
  }


def _print(classes: tuple[str, ...], accuracy: attributes.Accuracy) -> None:
  low, high = accuracy.balanced_interval
  count = accuracy.confusion.sum()
  print(
    f'validation: balanced accuracy {accuracy.balanced:.1%} (95 %: {low:.1%}–{high:.1%}), '
    f'{count} pictures, calibration error {accuracy.calibration_error:.3f}'
  )
  for i, name in enumerate(classes):
    low, high = accuracy.intervals[i]
    given = ', '.join(f'{n} {c}' for n, c in zip(accuracy.confusion[i], classes, strict=True))
    print(f'  {name}: {given}; recall {accuracy.recalls[i]:.1%} ({low:.1%}–{high:.1%})')
