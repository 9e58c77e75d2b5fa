"""Saved latents are found, and those of other generators refused."""

import json

import numpy as np
import pytest

from ganjax import data

SHA = 'a' * 64


def save(path, latent, **more):
  path.parent.mkdir(parents=True, exist_ok=True)
  np.savez(path, latent=latent.astype(np.float32), **more)


def test_files_folders_and_runs(tmp_path):
  save(
    tmp_path / 'run/latents/b.npz', np.ones((6, 8)), weights_sha256=SHA, **{'noise.b4.conv1': 2.0}
  )
  save(tmp_path / 'run/latents/a.npz', np.ones((1, 8)), weights_sha256=SHA)
  for pattern in ('run', 'run/latents', 'run/latents/*.npz'):
    found = data.find_latents(str(tmp_path / pattern))
    assert [latent.name for latent in found] == ['a', 'b']
  (one,) = data.find_latents(str(tmp_path / 'run/latents/b.npz'))
  assert one.noise.keys() == {'b4.conv1'}
  data.check_latents(found, (6, 8), SHA)
  (tmp_path / 'photos').mkdir()
  for pattern in ('photos', 'photos/*.png', 'missing'):
    assert data.find_latents(str(tmp_path / pattern)) is None


def test_exported_latents_know_their_generator_by_their_run(tmp_path):
  save(tmp_path / 'bulk/npz/a.npz', np.ones((6, 8)))
  with pytest.raises(data.SourceError, match='which generator'):
    data.find_latents(str(tmp_path / 'bulk/npz'))
  config = {'format': 'ganjax-output/1', 'config': {'weights_sha256': SHA}}
  (tmp_path / 'bulk/config.json').write_text(json.dumps(config))
  (one,) = data.find_latents(str(tmp_path / 'bulk/npz'))
  assert one.weights_sha256 == SHA


def test_strange_latents_are_refused(tmp_path):
  path = tmp_path / 'x.npz'
  save(path, np.ones((6, 4, 8)), weights_sha256=SHA)
  with pytest.raises(data.SourceError, match='cannot be edited'):
    data.check_latents(data.find_latents(str(path)), (6, 8), SHA)
  with pytest.raises(data.SourceError, match='another generator'):
    data.check_latents(data.find_latents(str(path)), (6, 8), 'b' * 64)
  save(path, np.full((6, 8), np.nan), weights_sha256=SHA)
  with pytest.raises(data.SourceError, match='not finite'):
    data.find_latents(str(path))
  np.savez(path, other=1)
  with pytest.raises(data.SourceError, match='holds no latent'):
    data.find_latents(str(path))
  path.write_bytes(b'PK\x03\x04 broken')
  with pytest.raises(data.SourceError, match='no npz file'):
    data.find_latents(str(path))
