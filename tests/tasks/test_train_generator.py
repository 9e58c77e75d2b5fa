"""Training a generator from the command line: files, exact resume, what is refused."""

import json

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from ganjax import weights
from ganjax.data import encode_png
from ganjax.tasks import main
from ganjax.tasks.config import FLAGS, ConfigError

# The plan of tests/adversarial/test_trainer.py, so that one compilation serves both.
FLAGS_OF_A_RUN = [
  *('--side=8', '--channel_base=32', '--channel_max=6', '--z_dim=5', '--mapping_layers=2'),
  *('--batch_size=16', '--r1_gamma=0.5', '--r1_interval=2', '--path_interval=2', '--ema_kimg=10'),
  *('--ada_kimg=1', '--seed=3', '--evaluate_every=0.064', '--frechet_pictures=0', '--threads=2'),
  '--terms=for tests alone',
]
