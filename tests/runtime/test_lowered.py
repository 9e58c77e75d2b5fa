"""Programs as they are lowered for accelerators that are not there: no shared kernel is batched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganjax
from ganjax import inversion
from ganjax.editing import rendering
from ganjax.inversion import batch, selection, solver
from ganjax.runtime import lowered, platforms
from ganjax.training.stylegan2 import sample_sheets

KEY = jax.random.key(0)
COUNT = 12  # images: three on each of the tests' four devices
PLATFORMS = ('cuda', 'tpu')


@pytest.fixture(params=PLATFORMS)
def platform(request):
  with platforms.traced_for(request.param):
    yield request.param


def stacked(prior, spec, **hyper):
  """A batch of problems, as shapes."""
  side = prior.generator.config.resolution
  damage = ganjax.parse_degradation(spec)
  photo = np.zeros((*damage.output_shape(side, side), 3), np.float32)
  hyper = inversion.PROJECTOR.hyper._replace(num_steps=8, **hyper)
  one = inversion.make_problem(prior, photo, damage, 'x', 0, hyper)
  return jax.eval_shape(
    lambda one: jax.tree.map(lambda x: jnp.broadcast_to(x, (COUNT, *x.shape)), one), one
  )


def counts(platform, networks, jitted, *args, each=COUNT // 4):
  """What a program does with its kernels, whose batch has `each` images on a device."""
  return lowered.counts(lowered.lower(jitted, platform, *args).as_text(), networks, each)


ACTIVE = jax.ShapeDtypeStruct((COUNT,), bool)


def states_of(prior, stages, problems):
  """Those of the last stage."""
  states = None
  for stage in stages:
    states = jax.eval_shape(
      lambda p, x, before, stage=stage: batch.start(p, stage, x, before), prior, problems, states
    )
  return states


SHARED_KERNELS = lowered.Counts(convolutions=0, grouped=0, weights_broadcast=0)


def assert_shared(found, convolutions=True):
  """No kernel has a batch axis, and there were kernels to look at."""
  assert found._replace(convolutions=0) == SHARED_KERNELS
  assert found.convolutions > 0 or not convolutions


@pytest.mark.parametrize(
  ('space', 'noise_maps', 'spec'),
  [
    ('w', 'optimised', 'identity()'),
    ('w_plus', 'free', 'blur(kernel_size=5, variance=?) | noise(sigma=0.1)'),  # blind
    ('w_plus', 'const', 'grayscale() | mask(box=4:8:4:8)'),
    ('w_plus', 'zero', 'downsample(factor=2) | jpeg(quality=12)'),
  ],
)
def test_a_chunk_of_steps(prior, platform, space, noise_maps, spec):
  stages = inversion.stages_of(inversion.PROJECTOR.within(space, noise_maps))
  problems = stacked(prior, spec)
  states = states_of(prior, stages, problems)
  found = counts(platform, prior, batch.advance, prior, stages[0], 2, problems, ACTIVE, states)
  assert_shared(found)


def test_starting_entering_a_phase_rendering_and_misfits(prior, platform):
  preset, problems = inversion.PRESETS['robust'], stacked(prior, 'mask(box=4:8:4:8)')
  first, second = inversion.stages_of(preset)
  states = states_of(prior, [first], problems)
  programs = {
    'start': (batch.start, prior, first, problems),
    'enter': (batch.start, prior, second, problems, states),
    'render': (batch.render, prior, first, states),
    'misfits': (selection._misfits, prior, preset, problems, problems.target),
  }
  for name, (jitted, *args) in programs.items():
    assert_shared(counts(platform, prior, jitted, *args), name in ('render', 'misfits'))


def test_only_the_layers_of_w_plus_plus_have_kernels_of_their_own(prior, platform):
  stages, problems = inversion.stages_of(inversion.PRESETS['robust']), stacked(prior, 'identity()')
  states = states_of(prior, stages, problems)
  found = counts(platform, prior, batch.advance, prior, stages[1], 2, problems, ACTIVE, states)
  layers = prior.generator.config.num_ws - 1
  # Forth, and back to the input and to the kernel; on GPUs they are products of matrices.
  assert found.grouped <= (0 if platform == 'cuda' else 3 * layers)
  assert found.convolutions > found.grouped


def test_pictures_of_latents(prior, platform):
  generator = prior.generator
  ws = jax.ShapeDtypeStruct((3, generator.config.num_ws, generator.config.w_dim), jnp.float32)
  zs = jax.ShapeDtypeStruct((3, generator.config.z_dim), jnp.float32)
  noise = jax.eval_shape(jax.vmap(generator.synthesis.noise_random), jax.random.split(KEY, 3))
  programs = [
    (rendering._draw, generator, ws),
    (rendering._draw_with, generator, ws, noise),
    (sample_sheets._render, generator, 0.7, zs, None),
  ]
  for jitted, *args in programs:
    assert_shared(counts(platform, generator, jitted, *args))


def test_a_cond_in_place_of_the_selection_would_be_seen(prior, platform, monkeypatch):
  """The fault that a first run on a GPU found."""

  def with_cond(active, step, state, idle):
    return jax.lax.cond(active, step, lambda state: (state, idle), state)

  monkeypatch.setattr(solver, 'step_if', with_cond)
  problems = stacked(prior, 'identity()')
  (stage,) = stages = inversion.stages_of(inversion.PROJECTOR)
  states = states_of(prior, stages, problems)
  args = prior, stage, 3, problems, ACTIVE, states  # as many steps as nobody else takes
  found = counts(platform, prior, batch.advance, *args)
  assert found.grouped > found.convolutions / 2
  assert found.weights_broadcast > 10
