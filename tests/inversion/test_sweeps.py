"""What a sweep's text means, and what is refused."""

import numpy as np
import pytest

import ganjax
from ganjax import inversion
from ganjax.inversion import Hyper, sweeps

PIPELINE = ganjax.parse_degradation('grayscale | blur(kernel_size=5, variance=2)')


def test_every_combination_the_last_running_fastest():
  axes = sweeps.axes(' learning_rate = 0.1,0.2 ; blur.variance=3, 7,12 ')
  assert [axis.name for axis in axes] == ['learning_rate', 'blur.variance']
  rows = sweeps.settings(axes)
  assert len(rows) == 6
  assert rows[1] == {'learning_rate': '0.1', 'blur.variance': '7'}


def test_a_setting_changes_what_it_names_alone():
  setting = {'num_steps': '7', 'blur.variance': '3', 'grayscale.mode': 'mean'}
  changed = sweeps.degradation(PIPELINE, setting)
  assert str(changed) == 'grayscale(mode=mean) | blur(kernel_size=5, variance=3)'
  assert sweeps.hyper(Hyper(), setting) == Hyper(num_steps=7)


def read(spec):
  for setting in sweeps.settings(sweeps.axes(spec)):
    sweeps.hyper(Hyper(), setting)
    sweeps.degradation(PIPELINE, setting)


@pytest.mark.parametrize(
  ('spec', 'message'),
  [
    ('', 'the sweep is empty'),
    ('learning_rate', 'is no name=value'),
    ('learning_rate=', 'is no name=value'),
    ('learning_rate=1,,2', 'is no name=value'),
    ('learning_rate=1; learning_rate=2', 'given twice'),
    ('learning_rate=fast', 'give numbers'),
    ('num_steps=2.5', 'give numbers'),
    ('num_steps=0', 'give numbers, 1 or more'),
    ('w_noise=-1', 'give numbers'),
    ('fidelity=1.5', 'from 0 to 1'),
    ('blur.sigma=1', 'neither a hyperparameter'),
    ('jpeg.quality=3', 'neither a hyperparameter'),
    ('blur.kernel_size=4', 'is even'),
    ('blur.variance=)|(', 'variance'),
  ],
)
def test_mistakes_are_named_on_one_line(spec, message):
  with pytest.raises(sweeps.SweepError, match=message) as caught:
    read(spec)
  assert '\n' not in str(caught.value)


def test_what_chance_did_is_looked_at_anew_for_every_combination(prior):
  photo = np.full((8, 8, 3), 0.2, np.float32)
  photo[3, 4:8] = -1  # black among bright ones: dropped, if pixels are dropped at all
  base = inversion.make_problem(
    prior, photo, ganjax.parse_degradation('noise(photons=24, drop=0.1)'), 'x', 0, Hyper()
  )
  hidden = np.argwhere(np.asarray(base.visible)[:, :, 0] == 0)
  np.testing.assert_array_equal(hidden, [[3, column] for column in range(4, 8)])
  other = sweeps.problem(
    base, ganjax.parse_degradation('noise(photons=24, drop=0)'), Hyper(num_steps=7)
  )
  assert np.all(np.asarray(other.visible) == 1)
  assert other.hyper.num_steps == 7
