"""What a sweep leaves behind: the table of its pictures, the heat map, and the best one."""

import numpy as np

from ganjax import data, report
from ganjax.inversion import sweeps

# What combinations are compared by, the better one first: PSNR where the truth is known.
MERITS = {'psnr': 'PSNR in dB', 'misfit': 'misfit (no truth to compare with)'}


def merit_of(entries: list[dict]) -> str:
  """By which of `MERITS` the combinations can be compared."""
  return next(merit for merit in MERITS if merit in entries[0])


def best_of(entries: list[dict]) -> int:
  """The index of the best combination."""
  merit = merit_of(entries)
  scores = np.array([entry[merit] for entry in entries])
  return int(np.argmax(scores) if merit == 'psnr' else np.argmin(scores))


def write(
  store: data.Store,
  name: str,
  axes: list[sweeps.Axis],
  pictures: list[np.ndarray],
  entries: list[dict],
) -> dict[str, str]:
  """Writes the table, the heat map and every picture.

  Args:
    store: the output.
    name: of the picture that was restored.
    axes: what was varied; the last one becomes the columns.
    pictures: uint8 [H, W, 3], one for each combination in the order of `sweeps.settings`.
    entries: one each: 'setting', 'misfit', and 'psnr' and 'ssim' where the truth is known. Each
      gets the path of its picture, as 'file'.

  Returns:
    The paths of the table ('sweep') and the heat map ('heatmap').
  """
  merit, best = merit_of(entries), best_of(entries)
  *others, last = axes
  rows = [label(setting) for setting in sweeps.settings(others)] if others else ['']
  columns = [f'{last.name}={value}' for value in last.values]
  width = len(columns)
  place = divmod(best, width)
  captions = [
    report.quality_caption(entry['psnr'], entry['ssim'])
    if merit == 'psnr'
    else f'misfit {entry["misfit"]:.3g}'
    for entry in entries
  ]
  by_row = range(0, len(entries), width)
  table = report.picture_table(
    [list(pictures[i : i + width]) for i in by_row],
    rows,
    columns,
    [captions[i : i + width] for i in by_row],
    place,
  )
  values = np.array([entry[merit] for entry in entries]).reshape(-1, width)
  title = f'{name}: {MERITS[merit]}'
  heat = report.heat_map(values, rows, list(last.values), f'{title}, by {last.name}', place)
  for i, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
    entry['file'] = store.write_image(f'combinations/{name}', f'{i:04d}', picture)
  return {
    'sweep': store.write_bytes(f'sweep/{name}.png', data.encode_png(table)),
    'heatmap': store.write_bytes(f'heatmap/{name}.png', heat),
  }


def label(setting: dict[str, str]) -> str:
  """A combination in words."""
  return ', '.join(f'{name}={value}' for name, value in setting.items())
