"""Hostile and broken files: a one-line error; nothing is run, and memory stays bounded."""

import builtins
import io
import os
import pickle
import resource
import struct
import zipfile

import numpy as np
import pytest

import ports.stylegan2
import ports.vgg16
from ports.table import PortError

MAX_GROWTH = 500 * 2**20  # bytes


class Reduce:
  """Pickles to a call of `function`, as an attacker would write it."""

  def __init__(self, function, *arguments, state=None):
    self.parts = (function, arguments) if state is None else (function, arguments, state)

  def __reduce__(self):
    return self.parts


def text(value):
  return b'X' + struct.pack('<I', len(value)) + value.encode()


def named(module, name):
  return text(module) + text(name) + b'\x93'


def classic(module, name):
  return b'c' + f'{module}\n{name}\n'.encode()


def call(function, *arguments):
  return function + b'(' + b''.join(arguments) + b'tR'


def program(*parts):
  return b'\x80\x04' + b''.join(parts) + b'.'


SENTINEL = 'touch was-run'
SYSTEM = call(classic('os', 'system'), text(SENTINEL))
REBUILD = classic('torch._utils', '_rebuild_tensor_v2')
STORAGE = call(classic('torch.storage', '_load_from_bytes'), b'B\x04\x00\x00\x00abcd')
RECONSTRUCT = classic('numpy.core.multiarray', '_reconstruct')
INTEGER = b'\x8a\x08' + struct.pack('<q', 2**40)

HOSTILE = {
  'os.system': pickle.dumps(Reduce(os.system, SENTINEL)),
  'os.system, protocol 0': pickle.dumps(Reduce(os.system, SENTINEL), protocol=0),
  'builtins.eval': pickle.dumps(Reduce(builtins.eval, f'__import__("os").system("{SENTINEL}")')),
  'builtins.exec in a network': pickle.dumps({'G_ema': Reduce(exec, 'open("was-run", "w")')}),
  'getattr chain': program(
    call(classic('builtins', 'getattr'), classic('os', 'path'), text('join')), b'.'
  ),
  'dotted name': program(call(named('os', 'path.os.system'), text(SENTINEL))),
  'dotted name of an allowed module': program(
    call(named('torch._utils', '_rebuild_tensor_v2.__globals__'), text('x'))
  ),
  'an allowed class, its attribute': program(named('collections', 'OrderedDict.__subclasses__')),
  'a name that is built': program(b'K\x01', text('system'), b'\x93'),
  'instance': program(b'(', text(SENTINEL), b'ios\nsystem\n'),
  'object': program(b'(', classic('os', 'system'), text(SENTINEL), b'o'),
  'new object': program(classic('subprocess', 'Popen'), b'(', text(SENTINEL), b't\x81'),
  'extension': program(b'\x82\x01'),
  'built with an odd state': program(classic('collections', 'OrderedDict'), b')R', b'K\x01b'),
  'built with a setter': program(b'}', text('__setstate__'), SYSTEM, b'sb'),
  'persistent id': program(text('x'), b'Q'),
  'persistent id that is called': program(text('x'), b'Q', b')R'),
  'called text': program(text('os.system'), b'(', text(SENTINEL), b'tR'),
  'huge array': program(
    call(RECONSTRUCT, classic('numpy', 'ndarray'), b'K\x00\x85', text('b')),
    b'(K\x01(', INTEGER * 4, b't', call(classic('numpy', 'dtype'), text('f4')), b'\x89',
    b'B\x00\x00\x00\x00tb',
  ),
  'huge tensor': program(
    call(REBUILD, STORAGE, b'K\x00', b'(' + INTEGER * 3 + b't', b'(K\x01K\x01K\x01t', b'\x89', b'N')
  ),
  'negative stride': program(
    call(REBUILD, STORAGE, b'K\x00', b'(K\x02t', b'(J\xff\xff\xff\xfft', b'\x89', b'N')
  ),
  'bytes that are not there': program(b'\x8e' + struct.pack('<Q', 2**62)),
  'text that is not there': program(b'\x8d' + struct.pack('<Q', 2**62)),
  'memo at a huge index': program(b'K\x01r\xff\xff\xff\xff', b'j\xff\xff\xff\xff'),
  'deep lists': b'\x80\x04' + b']' * 200_000 + b'a' * 199_999 + b'.',
  'deep marks': b'\x80\x04' + b'(' * 200_000 + b't' * 200_000 + b'.',
  'deep tuples': b'\x80\x04N' + b'\x85' * 300_000 + b'.',
  'a deep key': b'\x80\x04}N' + b'\x85' * 300_000 + b'Ns.',
  'billion laughs': b'\x80\x04]' + b'\x942((h\x00h\x00h\x00h\x00e' * 60 + b'.',
  'a list of itself': program(b']q\x00h\x00a'),
  'no end': b'\x80\x04N',
  'empty stack': b'\x80\x04.',
  'a future protocol': b'\x80\xffN.',
  'empty': b'',
  'noise': bytes(range(256)) * 10,
}  # fmt: skip


def refused(port, path, tmp_path, monkeypatch):
  """Ports `path`; checks that it is refused as it should be."""
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(os, 'system', lambda *_: pytest.fail('os.system was called'))
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  with pytest.raises(PortError) as caught:
    port(path)
  grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
  assert grown < MAX_GROWTH
  assert str(caught.value).startswith(str(path))
  assert '\n' not in str(caught.value)
  assert len(str(caught.value)) < 2000
  assert not (tmp_path / 'was-run').exists()


@pytest.mark.parametrize('name', HOSTILE)
@pytest.mark.parametrize('port', [ports.stylegan2.port, ports.vgg16.port], ids=['gan', 'vgg'])
def test_hostile_pickles(port, name, tmp_path, monkeypatch):
  path = tmp_path / 'x.pkl'
  path.write_bytes(HOSTILE[name])
  refused(port, path, tmp_path, monkeypatch)


def archive(path, entries, compression=zipfile.ZIP_STORED):
  with zipfile.ZipFile(path, 'w', compression) as file:
    for name, content in entries.items():
      file.writestr(name, content)


@pytest.mark.parametrize('name', ['os.system', 'huge tensor', 'deep lists', 'persistent id'])
@pytest.mark.parametrize('port', [ports.stylegan2.port, ports.vgg16.port], ids=['gan', 'vgg'])
def test_hostile_pickles_in_a_zip_container(port, name, tmp_path, monkeypatch):
  path = tmp_path / 'x.pt'
  archive(path, {'archive/data.pkl': HOSTILE[name], 'archive/version': '3\n'})
  refused(port, path, tmp_path, monkeypatch)


def test_a_zip_bomb(tmp_path, monkeypatch):
  path = tmp_path / 'x.pt'
  archive(path, {'archive/data.pkl': bytes(2**30)}, zipfile.ZIP_DEFLATED)
  refused(ports.vgg16.port, path, tmp_path, monkeypatch)


def test_a_zip_without_a_pickle(tmp_path, monkeypatch):
  path = tmp_path / 'x.pt'
  archive(path, {'../../was-run': b'x'})
  refused(ports.vgg16.port, path, tmp_path, monkeypatch)


REAL = ['ada-conditional-16.pkl', 'tf-config-f-32.pkl', 'rosinality-32.pt', 'vgg16-narrow.pth',
        'vgg16-narrow-legacy.pth']  # fmt: skip


def port_of(name):
  return ports.vgg16.port if name.startswith('vgg') else ports.stylegan2.port


@pytest.mark.parametrize('name', REAL)
@pytest.mark.parametrize('share', [0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files(shared, name, share, tmp_path, monkeypatch):
  data = (shared / 'reference' / name).read_bytes()
  path = tmp_path / name
  path.write_bytes(data[: int(len(data) * share)])
  refused(port_of(name), path, tmp_path, monkeypatch)


@pytest.mark.parametrize('name', REAL)
def test_flipped_bits_never_raise_anything_else(shared, name, tmp_path):
  data = bytearray((shared / 'reference' / name).read_bytes())
  random = np.random.RandomState(0)
  path = tmp_path / name
  outcomes = set()
  for _ in range(15):
    broken = bytearray(data)
    for place in random.randint(0, min(len(data), 4000), 3):
      broken[place] ^= 1 << random.randint(8)
    path.write_bytes(broken)
    try:
      port_of(name)(path)
      outcomes.add('ported')  # a flip within a number only changes the number
    except PortError as error:
      outcomes.add('refused' if '\n' not in str(error) else 'refused in several lines')
  assert 'refused' in outcomes <= {'ported', 'refused'}


def test_pickles_that_python_itself_would_run(tmp_path):
  """The same bytes do run where pickle reads them: the tests above test something."""
  marker = tmp_path / 'was-run'
  data = pickle.dumps(Reduce(os.mkdir, str(marker)))
  pickle.load(io.BytesIO(data))
  assert marker.exists()
