"""Benchmark levels: how heavy a degradation is, from XS to XL.

Up-sampling, noise, JPEG and strokes are those of Poirier-Ginter and Lalonde (2023); the blur's
levels are ours. Grey has no levels.
"""

NAMES = ('XS', 'S', 'M', 'L', 'XL')

_FACTORS = (2, 4, 8, 16, 32)
_PHOTONS = ((96, 0.04), (48, 0.08), (24, 0.16), (12, 0.32), (6, 0.64))
_QUALITIES = (18, 15, 12, 9, 6)
_STROKES = (1, 5, 9, 13, 17)
_VARIANCES = (2, 4, 8, 16, 32)


def _levels(specs: list[str]) -> dict[str, str]:
  return dict(zip(NAMES, specs, strict=True))


LEVELS: dict[str, dict[str, str]] = {
  'deblur': _levels([f'blur(kernel_size=41, variance={v})' for v in _VARIANCES]),
  'colorize': _levels(['grayscale()'] * 5),
  'inpaint': _levels([f'mask(strokes={n}, width=0.08)' for n in _STROKES]),
  'super_resolve': _levels([f'downsample(factor={f})' for f in _FACTORS]),
  'denoise': _levels([f'noise(photons={p}, drop={d})' for p, d in _PHOTONS]),
  'dejpeg': _levels([f'jpeg(quality={q})' for q in _QUALITIES]),
}


def compose(tasks: tuple[str, ...], level: str = 'M') -> str:
  """A composition in the benchmark's order: up-sample, noise, JPEG, mask."""
  order = ('super_resolve', 'denoise', 'dejpeg', 'inpaint')
  return ' | '.join(LEVELS[task][level] for task in order if task in tasks)


# The benchmark's compositions of two, three and four degradations.
COMPOSED: dict[str, str] = {
  '+'.join(tasks): compose(tasks)
  for tasks in (
    ('super_resolve', 'denoise'),
    ('super_resolve', 'dejpeg'),
    ('super_resolve', 'inpaint'),
    ('super_resolve', 'denoise', 'dejpeg'),
    ('super_resolve', 'denoise', 'dejpeg', 'inpaint'),
  )
}
