"""What training tasks share, whatever they train: a state is any pytree of arrays.

Feed          examples in an order that is a function of seed and step, read ahead
Checkpoints   asynchronous, of the last few states
Log           curves as lines of JSON and TensorBoard's event files
run           the loop: steps, checkpoints, samples, signals, numbers that are not finite
"""

from ganjax.data.indexed import Pictures
from ganjax.errors import TrainingError
from ganjax.training.checkpoints import Checkpoints
from ganjax.training.feed import Feed
from ganjax.training.log import Log
from ganjax.training.loop import Hooks, Intervals, run

__all__ = [
  'Checkpoints',
  'Feed',
  'Hooks',
  'Intervals',
  'Log',
  'Pictures',
  'TrainingError',
  'run',
]
