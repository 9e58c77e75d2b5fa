"""A run's first results side by side, in one picture: grid.png."""

from ganjax import data, metrics, report


def write(store: data.Store) -> None:
  """Draws grid.png from the first results; all of them are in the report."""
  results = store.results
  if not results:
    return
  rows = [_row(store, record) for record in results[: report.MAX_ROWS]]
  picture = report.grid(rows, left_out=len(results) - len(rows))
  store.write_bytes('grid.png', data.encode_png(picture))


def _row(store: data.Store, record: dict) -> report.Row:
  same = {kind: kind for kind in ('degraded', 'restored', 'completed')}
  kinds = {'input': 'photo', **same, 'truth': 'aligned'}
  files, values = record['files'], record['metrics']
  if 'outlined' in files:
    kinds['degraded'] = 'outlined'
  pictures = {
    column: data.decode(store.folder / files[kind])
    for column, kind in kinds.items()
    if kind in files
  }
  captions = {
    kind: report.quality_caption(*(values.get(name) for name in metrics.names([kind])))
    for kind in metrics.ENDINGS
  }
  return report.Row(record['name'], **pictures, captions=captions)
