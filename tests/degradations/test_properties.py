"""Every built-in degradation has the properties of `ganjax.degradations.testing`."""

import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from ganjax.degradations import parse, registry, testing
from ganjax.degradations.testing import Case
from ganjax.pixels import to_float

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURE = ROOT / 'scripts' / 'demo' / 'astronaut.png'
HEIGHT, WIDTH = 64, 96

CASES = [
  Case('identity', 'identity', 58),
  Case('blur(kernel_size=25, variance=7)', 'blur(kernel_size=5, variance=0.5)', 58),
  Case('grayscale(mode=luma)', 'grayscale(mode=luma)', 58),
  Case('mask(box=10:30:0:50, box=0.5:0.75:0.25:1.0)', 'mask(box=1:2:3:4, box=0.1:0.2:0.1:0.9)', 58),
  Case('mask(box=10:30:0:50)', 'mask(box=0.5:0.75:0.25:1.0, box=1:4:1:4)', 58),
  Case('mask(missing=0.5)', 'mask(missing=0.1)', 58),
  Case('mask(boxes=2, size=0.293)', 'mask(boxes=1, size=0.5)', 58),
  Case('mask(strokes=5, width=0.08)', 'mask(strokes=1, width=0.2)', 58),
  Case('downsample(factor=4, filter=area)', 'downsample(factor=4, filter=area)', 58),
  Case('downsample(factor=2)', 'downsample(factor=2)', 27),
  Case('downsample(size=37, filter=area)', 'downsample(size=37, filter=bilinear)', 58),
  Case(
    'downsample(factor=2, filter=lanczos)',
    'downsample(factor=2, filter=bilinear)',
    40,
    affine=False,  # it overshoots, and is clipped
  ),
  Case('noise(sigma=0.1)', 'noise(sigma=0.3)', 30, affine=False),
  Case('noise(photons=24, drop=0.16)', 'noise(photons=96, drop=0)', 25, affine=False),
  Case('jpeg(quality=12)', 'jpeg(quality=90)', 35, affine=False, rounds=True),
  Case('blur(kernel_size=9, variance=3) | mask(box=4:9:4:9)', 'blur | mask(box=1:2:3:4)', 58),
  Case('blur(kernel_size=9, variance=3) | noise(sigma=0.05)', 'blur | noise(sigma=0.1)', 30, False),
  Case(
    'noise(sigma=0.05) | jpeg(quality=50)', 'noise(sigma=0.1) | jpeg(quality=9)', 30, False, True
  ),
  Case('blur | jpeg(quality=50)', 'blur(variance=2) | jpeg(quality=9)', 35, False, True),
  Case('mask(box=10:30:5:50) | blur | grayscale', 'mask(box=1:2:3:4) | blur | grayscale', 58),
  Case(
    'downsample(factor=2) | noise(photons=48, drop=0.08) | jpeg(quality=15) | mask(strokes=9)',
    'downsample(factor=2) | noise(photons=12, drop=0.32) | jpeg(quality=9) | mask(strokes=13)',
    20,
    affine=False,
    rounds=True,
  ),
]


@pytest.fixture(scope='module')
def image() -> np.ndarray:
  with Image.open(PICTURE) as picture:
    square = picture.convert('RGB').resize((128, 128), Image.Resampling.LANCZOS)
  return to_float(np.asarray(square))[:HEIGHT, :WIDTH]


@pytest.mark.parametrize(
  ('case', 'holds'),
  [
    pytest.param(case, one, id=f'{one.__name__}-{case.spec}')
    for one in dict.fromkeys(one for case in CASES for one in testing.properties_of(case))
    for case in CASES
    if one in testing.properties_of(case)
  ],
)
def test_properties(case, holds, image):
  holds(case, image)


@pytest.mark.parametrize(
  ('spec', 'shape', 'is_random'),
  [
    ('blur', (64, 96), False),
    ('downsample(factor=4)', (16, 24), False),
    ('downsample(factor=2) | noise(photons=48) | mask(strokes=9)', (32, 48), True),
    ('noise(sigma=0.1) | jpeg', (64, 96), True),
    ('mask(missing=0.5)', (64, 96), False),
  ],
)
def test_what_cases_are_told_by_the_operators_is_true(spec, shape, is_random):
  assert parse(spec).output_shape(HEIGHT, WIDTH) == shape
  assert Case(spec, spec).random == is_random


def own_operators():
  entries = registry.OPERATORS.items()
  return {name for name, entry in entries if entry.build.__module__.startswith('ganjax.')}


def test_every_registered_operator_has_a_case():
  words = {word for case in CASES for word in re.findall(r'(?:^|\| )(\w+)', case.spec)}
  assert words == own_operators()


def test_the_documents_list_every_registered_operator():
  page = (ROOT / 'docs' / 'degradations.md').read_text('utf-8')
  table = page.partition('| operator | arguments |')[2]
  table = table.partition('\n\n')[0]
  assert set(re.findall(r'^\| `(\w+)\(', table, re.MULTILINE)) == own_operators()
