"""What training tasks share, whatever they train: a state is any pytree of arrays.

Feed          examples in an order that is a function of seed and step, read ahead
Checkpoints   asynchronous, of the last few states
Log           curves as lines of JSON and TensorBoard's event files
run           the loop: steps, checkpoints, samples, signals, numbers that are not finite
"""

from ganjax.training.checkpoints import Checkpoints
from ganjax.training.errors import TrainingError
from ganjax.training.feed import Feed
from ganjax.training.log import Log
from ganjax.training.loop import Hooks, Rhythm, run
from ganjax.training.pictures import Pictures

__all__ = [
  'Checkpoints',
  'Feed',
  'Hooks',
  'Log',
  'Pictures',
  'Rhythm',
  'TrainingError',
  'run',
]
