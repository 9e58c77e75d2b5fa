import random

import numpy as np
import pytest

import ganjax.degradations as degradations
from ganjax.degradations import DegradationError, parse


@pytest.mark.parametrize(
  ('short', 'full'),
  [
    ('identity', 'identity'),
    ('identity()', 'identity'),
    ('blur', 'blur(kernel_size=25, variance=7)'),
    ('  blur ( variance = 1.50 )  ', 'blur(kernel_size=25, variance=1.5)'),
    ('blur(variance=1e2)', 'blur(kernel_size=25, variance=100)'),
    ('grayscale|jpeg', 'grayscale(mode=luma) | jpeg(quality=12)'),
    ("grayscale(mode='mean')", 'grayscale(mode=mean)'),
    ('downsample', 'downsample(factor=4)'),
    ('downsample(filter=bicubic)', 'downsample(factor=4, filter=bicubic)'),
    ('blur(kernel_size=?, variance = ?)', 'blur(kernel_size=?, variance=?)'),
    ('jpeg(quality=?) | downsample(filter=?)', 'jpeg(quality=?) | downsample(factor=4, filter=?)'),
    ('noise(sigma=?)', 'noise(sigma=?)'),
    ('noise(photons=?, drop=?)', 'noise(photons=?, drop=?)'),
    ('noise', 'noise(sigma=0.1)'),
    ('noise(photons=24)', 'noise(photons=24, drop=0)'),
    ('mask(strokes=3)', 'mask(strokes=3, width=0.08)'),
    ('mask(boxes=3)', 'mask(boxes=3, size=0.293)'),
    ('mask(box=1:2:3:4,\n box=0.:.5:0.:1.)', 'mask(box=1:2:3:4, box=0.0:0.5:0.0:1.0)'),
    ('mask(strokes=3, box=1:2:3:4)', 'mask(box=1:2:3:4) | mask(strokes=3, width=0.08)'),
  ],
)
def test_defaults_and_spelling(short, full):
  assert str(parse(short)) == full
  assert str(parse(full)) == full


def test_float32_survives_the_round_trip():
  for value in np.random.default_rng(0).uniform(1e-3, 1, 50).astype(np.float32):
    (blur,) = parse(str(parse(f'blur(variance={value!s})'))).operators
    assert blur.variance == value


@pytest.mark.parametrize(
  ('spec', 'message'),
  [
    ('', 'the degradation is empty: write for example'),
    ('  ', 'the degradation is empty'),
    ('blurr(variance=2)', "unknown operator 'blurr': did you mean blur"),
    ('sharpen', "unknown operator 'sharpen': use one of blur, downsample"),
    ('blur(sigma=2)', "blur has no argument 'sigma': use one of kernel_size, variance"),
    ('blur(varianc=2)', 'did you mean variance'),
    ('blur(25)', "'25' has no name: arguments are named, such as kernel_size=25"),
    ('identity(1)', "identity takes no arguments: remove '1'"),
    ('blur(variance=2, variance=3)', 'variance is given twice'),
    ('blur(variance=)', 'variance has no value: write variance='),
    ('blur(variance)', 'variance has no value'),
    ('blur(variance', 'variance has no value'),
    ('blur(variance=', 'variance has no value'),
    ('blur(kernel_size=2.5)', 'kernel_size=2.5 is not a whole number'),
    ('blur(kernel_size=99999999999999999999)', 'is not a whole number'),
    ('blur(kernel_size=24)', 'is even.*use 25'),
    ('blur(variance=wide)', 'variance=wide is not a number'),
    ('blur(variance=nan)', 'variance=nan is not a number'),
    ('blur(variance=1e999)', 'variance=inf is out of range'),
    ('blur(variance=-1)', 'variance=-1.0 is out of range'),
    ('mask(strokes=?)', r'strokes=\? cannot be found'),
    ('downsample(size=?)', r'size=\? cannot be found'),
    ('jpeg(quality=0)', 'quality=0 is out of range: use 1 to 100'),
    ('grayscale(mode=lab)', 'use luma or mean'),
    ("grayscale(mode='')", 'mode is empty'),
    ('mask(width=0.1)', 'width needs strokes'),
    ('mask(size=0.1)', 'size needs boxes'),
    ('mask(boxes=0)', 'boxes=0 is out of range: use 1 to 100'),
    ('mask(strokes=1, strokes=2)', 'strokes is given twice'),
    ('mask(file=absent.png)', "file='absent.png': cannot be read"),
    ('noise(drop=0.1)', 'drop needs photons'),
    ('noise(sigma=0.1, photons=2)', 'sigma excludes photons'),
    ('blur(variance=2', r"the bracket of 'blur\(' is never closed"),
    ('blur(variance=2 | grayscale', r"the bracket of 'blur\(' is never closed"),
    ('blur(', r"the bracket of 'blur\(' is never closed"),
    ('blur(variance=2))', r"unexpected '\)' after"),
    ('blur grayscale', "unexpected 'grayscale' after .*: join operators with"),
    ('blur(variance=2) x', "unexpected 'x' after"),
    ('blur(variance=2 3)', "unexpected '3'"),
    ('blur(,)', "unexpected ','"),
    ('blur(variance=2,)', r"unexpected '\)'"),
    ('blur |', 'an operator is missing at the end'),
    ('| blur', r"an operator is missing before '\|'"),
    ('blur || jpeg', r"an operator is missing before '\|'"),
    ('(blur)', r"an operator is missing before '\('"),
    ("mask(file='a.png)", 'quote in .* is never closed'),
    ("mask(file='a\nb.png')", 'quote in .* is never closed'),
    ('__import__("os").system("true")', "unknown operator '__import__'"),
  ],
)
def test_mistakes_are_named_on_one_line(spec, message):
  with pytest.raises(DegradationError, match=message) as caught:
    parse(spec)
  assert '\n' not in str(caught.value)


def test_any_text_gives_a_pipeline_or_a_clear_refusal():
  pieces = [*'|(),=\'"?:. \n', 'blur', 'mask', 'noise', 'kernel_size', 'variance', 'box', 'strokes']
  pieces += ['1:2:3:4', '0.5', '25', 'blur(variance=2)', 'mask(box=1:9:1:9', 'file', 'é', '\0']
  rng = random.Random(0)
  refusals, parsed = [], 0
  for _ in range(5000):
    text = ''.join(rng.choices(pieces, k=rng.randint(1, 7)))
    try:
      pipeline = parse(text)
    except DegradationError as error:
      refusals.append(str(error))
    else:
      parsed += 1
      assert str(parse(str(pipeline))) == str(pipeline)
  assert parsed > 10
  assert all(refusal and '\n' not in refusal for refusal in refusals)


def test_every_public_name_is_there():
  for name in degradations.__all__:
    assert getattr(degradations, name).__doc__
