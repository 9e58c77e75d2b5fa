"""What a shell is told so that the Tab key completes tasks, flags and their values.

Scripts are made from the table of tasks and from the settings, and know them all: pressing the key
starts no Python.
"""

import shlex
from collections.abc import Callable, Iterable

from ganjax.tasks.settings import Setting, settings_of
from ganjax.tasks.table import TASKS


def script(shell: str, always: type) -> str:
  """The script of one of `SHELLS`.

  Args:
    shell: a shell's name.
    always: declares flags that every command has.
  """
  return SHELLS[shell](_flags(always))


def _flags(always: type) -> dict[str, dict[str, Setting]]:
  """Task -> its flags by name; '' has those that commands have before a task is named."""
  common = {own.flag: own for own in settings_of(always).values()}
  known = {'': common}
  for name, task in TASKS.items():
    known[name] = {own.flag: own for own in settings_of(task.kind()).values()} | common
  return known


def _by_flag(known: dict[str, dict[str, Setting]]) -> dict[str, tuple[Setting, list[str]]]:
  """Flag -> its setting, and the tasks that have it."""
  found: dict[str, tuple[Setting, list[str]]] = {}
  for task, own in known.items():
    for flag, described in own.items():
      found.setdefault(flag, (described, []))[1].append(task)
  return found


def _alike(known: dict[str, dict[str, Setting]]) -> list[tuple[list[str], list[Setting]]]:
  """Tasks that have the same flags, and those flags."""
  groups: dict[tuple[str, ...], list[str]] = {}
  for task, own in known.items():
    groups.setdefault(tuple(own), []).append(task)
  return [(names, list(known[names[0]].values())) for names in groups.values()]


def _about(own: Setting) -> str:
  """The beginning of a flag's help, as far as fits beside it."""
  return own.help.partition('. ')[0].partition(': ')[0].partition(';')[0].rstrip('.')[:72].rstrip()


def _words(names: Iterable[object]) -> str:
  return ' '.join(map(str, names))


_BASH = """\
# bash completion of ganjax, made by `ganjax --completion=bash`
_ganjax() {
  local line=${COMP_LINE:0:COMP_POINT} task= word current flag value before
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  current=${words[-1]}
  for word in "${words[@]:1:${#words[@]}-2}"; do
    case $word in
      --task=*) task=${word#--task=} ;;
      -*) ;;
      *) [[ -z $task ]] && task=$word ;;
    esac
  done
  COMPREPLY=()
  if [[ $current == --*=* ]]; then
    flag=${current%%=*} value=${current#*=} before=
    local values=
    case $flag in
@VALUES@
    esac
    if [[ -n $values ]]; then
      COMPREPLY=($(compgen -W "$values" -- "${value##*,}"))
      [[ $value == *,* ]] && before=${value%,*},
    else
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$value")
    fi
    # Where a shell breaks words at '=', what is before it is not part of the word.
    [[ $COMP_WORDBREAKS == *=* ]] || before=$flag=$before
    COMPREPLY=("${COMPREPLY[@]/#/$before}")
  elif [[ $current == -* ]]; then
    local flags=
    case $task in
@FLAGS@
    esac
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
  elif [[ -z $task ]]; then
    COMPREPLY=($(compgen -W '@TASKS@' -- "$current"))
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _ganjax ganjax
"""


def _bash(known: dict[str, dict[str, Setting]]) -> str:
  values = [
    f"      --{flag}) values='{_words(own.choices)}' ;;"
    for flag, (own, _) in _by_flag(known).items()
    if own.choices
  ]
  flags = [
    f"      {'|'.join(name or repr('') for name in names)}) flags='{_words(_spelt(own))}' ;;"
    for names, own in _alike(known)
  ]
  filled = _BASH.replace('@VALUES@', '\n'.join(values)).replace('@FLAGS@', '\n'.join(flags))
  return filled.replace('@TASKS@', _words(TASKS))


def _spelt(flags: Iterable[Setting]) -> list[str]:
  """Flags as they are written: '--mask=', '--overwrite', '--nooverwrite'."""
  spelt = []
  for own in flags:
    is_switch = own.kind is bool
    spelt += [f'--{own.flag}', f'--no{own.flag}'] if is_switch else [f'--{own.flag}=']
  return [*spelt, '--help']


_ZSH = """\
#compdef ganjax
# zsh completion of ganjax, made by `ganjax --completion=zsh`
_ganjax() {
  local task= word
  local -a flags tasks
  tasks=(
@TASKS@
  )
  for word in "${(@)words[2,CURRENT-1]}"; do
    case $word in
      --task=*) task=${word#--task=} ;;
      -*) ;;
      *) [[ -z $task ]] && task=$word ;;
    esac
  done
  case $task in
@FLAGS@
  esac
  if [[ -z $task && $words[CURRENT] != -* ]]; then
    _describe task tasks
  else
    _arguments $flags '*:photo:_files'
  fi
}
if [[ $funcstack[1] == _ganjax ]]; then
  _ganjax "$@"
else
  compdef _ganjax ganjax
fi
"""


def _zsh(known: dict[str, dict[str, Setting]]) -> str:
  tasks = (f'    {shlex.quote(f"{task.name}:{task.summary}")}' for task in TASKS.values())
  cases = []
  for names, own in _alike(known):
    specs = ' '.join(shlex.quote(spec) for one in own for spec in _zsh_specs(one))
    cases.append(f'    {"|".join(name or repr("") for name in names)}) flags=({specs}) ;;')
  return _ZSH.replace('@TASKS@', '\n'.join(tasks)).replace('@FLAGS@', '\n'.join(cases))


def _zsh_specs(own: Setting) -> list[str]:
  """A flag as `_arguments` reads it."""
  about = _about(own).translate(str.maketrans('[]:', '() '))
  if own.kind is bool:
    return [f'--{own.flag}[{about}]', f'--no{own.flag}[{about}]']
  if not own.choices:
    return [f'--{own.flag}=[{about}]:{own.flag}:_files']
  choices = _words(own.choices)
  values = f'_values -s , {own.flag} {choices}' if own.is_list else f'({choices})'
  return [f'--{own.flag}=[{about}]:{own.flag}:{values}']


_FISH = """\
# fish completion of ganjax, made by `ganjax --completion=fish`
function __ganjax_task
  for word in (commandline -opc)[2..]
    if string match -q -- '--task=*' $word
      string replace -- '--task=' '' $word
      return
    else if not string match -q -- '-*' $word
      echo $word
      return
    end
  end
end
function __ganjax_has
  set -l task (__ganjax_task)
  test -z "$task"; and set task none
  contains -- $task $argv
end
"""


def _fish(known: dict[str, dict[str, Setting]]) -> str:
  lines = [
    f'complete -c ganjax -n "__ganjax_has none" -f -a {task.name} -d {_fish_word(task.summary)}'
    for task in TASKS.values()
  ]
  for own, tasks in _by_flag(known).values():
    start = f'complete -c ganjax -n "__ganjax_has {_words(name or "none" for name in tasks)}"'
    about = _fish_word(_about(own))
    if own.kind is bool:
      lines += [f'{start} -l {name} -d {about}' for name in (own.flag, f'no{own.flag}')]
    elif own.choices:
      lines.append(f'{start} -l {own.flag} -x -a {_fish_word(_words(own.choices))} -d {about}')
    else:
      lines.append(f'{start} -l {own.flag} -r -F -d {about}')
  return '\n'.join([_FISH.rstrip(), *lines])


def _fish_word(text: str) -> str:
  """A text as one word of fish."""
  escaped = text.replace('\\', r'\\').replace("'", r'\'')
  return f"'{escaped}'"


SHELLS: dict[str, Callable[[dict[str, dict[str, Setting]]], str]] = {
  'bash': _bash,
  'zsh': _zsh,
  'fish': _fish,
}
