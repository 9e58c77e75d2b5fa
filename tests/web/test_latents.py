"""Faces by latent: draws, edits, mixtures."""

import numpy as np
import pytest

from ganjax import editing, weights
from ganjax.web import latents
from ganjax.web.latents import Edit, Point


@pytest.fixture(scope='module')
def bundled():
  return weights.load()


def test_bundled_directions_are_found_and_have_words(bundled):
  found = latents.directions(bundled)
  assert [direction.name for direction in found] == list(latents.WORDS)
  assert latents.label(found[0]) == 'older ↔ younger'


def test_other_generators_have_principal_components(networks):
  found = latents.directions(networks)
  assert [latents.label(one) for one in found][:2] == ['component 1', 'component 2']
  assert all(np.linalg.norm(one.normal) == pytest.approx(1, abs=1e-4) for one in found)
  assert found[0].deviation >= found[1].deviation


def test_a_draw_is_that_of_generate(networks):
  point = latents.drawn(networks, 3, 0.7)
  z = editing.seeded(3, networks.generator.config.z_dim)
  ws = networks.generator.mapping(z, psi=np.float32(0.7))
  np.testing.assert_allclose(point.ws, ws, atol=1e-5)


def test_edits(networks):
  one, other = (latents.drawn(networks, seed, 1.0) for seed in (0, 1))
  along = latents.directions(networks)[:2]
  plain = latents.image(networks, one, other, along, Edit())
  assert plain.dtype == np.uint8
  same = [Edit(share=1.0), Edit(styles=tuple(latents.STYLES))]
  for edit in same:
    seen = latents.image(networks, one, other, along, edit)
    np.testing.assert_array_equal(seen, latents.image(networks, other, other, (), Edit()))
  for edit in (Edit((0.0, 2.0)), Edit(share=0.5), Edit(styles=('features',))):
    assert np.any(latents.image(networks, one, other, along, edit) != plain)


def test_latents_with_a_style_for_each_channel_are_edited_too(networks):
  config = networks.generator.config
  one, other = (latents.drawn(networks, seed, 1.0) for seed in (0, 1))
  spread = Point(np.repeat(one.ws[:, None], max(config.channels), axis=1))
  along = latents.directions(networks)[:1]
  edit = Edit((1.5,), 0.3, ('pose and shape',))
  seen, wanted = (latents.image(networks, face, other, along, edit) for face in (spread, one))
  assert np.abs(seen.astype(int) - wanted).max() <= 1
