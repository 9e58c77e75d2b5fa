"""Settings: one declaration makes the field, the flag and its help."""

import dataclasses
import typing

import pytest
from absl import flags

from ganjax import choices
from ganjax.inversion import deep_prior
from ganjax.inversion.presets import Hyper
from ganjax.models.patchgan import PATCHES
from ganjax.runtime import precision
from ganjax.tasks import main, settings, table
from ganjax.tasks.config import Config
from ganjax.tasks.latent import interpolate
from ganjax.tasks.latent.latent_config import InterpolateConfig
from ganjax.tasks.restore_config import RestoreConfig
from ganjax.tasks.settings import ConfigError, parse_numbers, setting
from ganjax.training.pix2pix.losses import ADVERSARIES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example(Config):
  """One of each kind."""

  word: str = setting('A word.', 'a')
  count: int | None = setting('A count.', None, lower=1, flag='how_many')
  share: float = setting('A share.', 0.5, lower=0, upper=1)
  kind: typing.Literal['red', 'green'] = setting('A colour.', 'red')
  size: typing.Literal[1, 2] = setting('A size.', 2)
  sure: bool = setting('Whether.', False)
  rows: tuple[int, ...] = setting('Rows.', ())
  shares: tuple[float, ...] = setting('Shares.', (0.5,))
  colours: tuple[typing.Literal['red', 'green'], ...] = setting('Colours.', ())
  made: int = 3  # no flag


@pytest.fixture
def parse(monkeypatch):
  """(arguments) -> what they give of an `Example`."""
  values = flags.FlagValues()
  monkeypatch.setattr(settings, 'FLAGS', values)
  for name in ('DEFINE', 'DEFINE_boolean', 'DEFINE_list'):
    define = getattr(flags, name)
    monkeypatch.setattr(
      flags, name, lambda *a, define=define, **k: define(*a, flag_values=values, **k)
    )
  settings.define_flags([Example])

  def parsed(*arguments):
    values.unparse_flags()
    for flag in values:
      values[flag].unparse()
    values(['ganjax', *arguments])
    return settings.given(Example)

  return parsed


def test_only_what_is_given_is_given(parse):
  assert parse() == {}


def test_values_have_the_kinds_of_their_annotations(parse):
  found = parse(
    *('--word=b', '--how_many=3', '--share=1', '--kind=green', '--size=1', '--nosure'),
    *('--rows=0,2-4', '--shares=0,1', '--colours=red'),
  )
  assert found == {
    **{'word': 'b', 'count': 3, 'share': 1.0, 'kind': 'green', 'size': 1, 'sure': False},
    **{'rows': (0, 2, 3, 4), 'shares': (0.0, 1.0), 'colours': ('red',)},
  }


@pytest.mark.parametrize('wrong', ['--how_many=0', '--share=1.5', '--kind=gren', '--size=3'])
def test_values_out_of_bounds_are_refused(parse, wrong):
  with pytest.raises(flags.IllegalFlagValueError):
    parse(wrong)


def test_items_of_lists_are_checked(parse):
  with pytest.raises(ConfigError, match=r'--colours: gren .* did you mean green'):
    parse('--colours=red,gren')
  with pytest.raises(ConfigError, match='--shares=x: give numbers'):
    parse('--shares=x')


def test_one_flag_has_one_declaration():
  @dataclasses.dataclass(frozen=True, kw_only=True)
  class Other:
    word: str = setting('Another word.', 'a')

  with pytest.raises(ValueError, match='declared twice'):
    settings.define_flags([Example, Other])


@pytest.mark.parametrize('task', table.TASKS)
def test_every_task_of_the_table_can_be_run(task):
  assert callable(table.TASKS[task].run())
  kind = table.TASKS[task].kind()
  assert kind.defaults(task).keys() <= settings.settings_of(kind).keys()


def test_a_task_is_a_module_and_a_line(monkeypatch, tmp_path):
  (tmp_path / 'greeting.py').write_text(
    'import dataclasses\n'
    'from ganjax.tasks.config import Config\n'
    'from ganjax.tasks.settings import setting\n'
    '@dataclasses.dataclass(frozen=True, kw_only=True)\n'
    'class Greeting(Config):\n'
    "  whom: str = setting('Whom to greet.', 'you')\n"
    'def run(config):\n'
    '  print(config.task, config.whom)\n'
    '  return 0\n'
  )
  monkeypatch.syspath_prepend(tmp_path)
  line = table.Task('greet', 'say hello', 'greeting:Greeting', 'greeting')
  monkeypatch.setitem(table.TASKS, 'greet', line)
  kind = line.kind()
  assert main.run(kind(task='greet', **kind.defaults('greet'))) == 0
  assert '--whom' in main.help.of_task(line, main.Always)


def test_every_hyperparameter_is_a_setting():
  # A new field of Hyper needs a line of `RestoreConfig`, and nothing else.
  assert set(Hyper._fields) - {'settled_within'} <= settings.settings_of(RestoreConfig).keys()


def test_choices_are_those_that_the_library_has():
  assert set(typing.get_args(choices.Precision)) == {precision.AUTO, *precision._PRECISIONS}
  assert typing.get_args(choices.Patch) == tuple(PATCHES)
  assert set(typing.get_args(choices.GanLoss)) == set(ADVERSARIES)
  assert typing.get_args(choices.PriorLoss) == deep_prior.LOSSES
  assert settings.settings_of(InterpolateConfig)['paths'].choices == tuple(interpolate.PATHS)


def test_seeds():
  assert parse_numbers('seeds', ['3', '5-7']) == (3, 5, 6, 7)


@pytest.mark.parametrize('wrong', ['x', '3-', '7-5', '-1', '1-2-3'])
def test_wrong_seeds_are_named(wrong):
  with pytest.raises(ConfigError, match=wrong):
    parse_numbers('seeds', [wrong])
