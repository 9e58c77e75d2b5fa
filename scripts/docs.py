"""Brings the documents together from which the site is made: README.md, docs/, those beside code.

In the repository a link leads to a file; in the site it leads to the page that was made of it. So
all documents are copied to build/docs, and their links go along.
"""

import os
import pathlib
import re
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = ROOT / 'build' / 'docs'
# Files of the repository -> pages of the site; docs/ is its root.
PAGES = {
  'README.md': 'index.md',
  'CONTRIBUTING.md': 'contributing.md',
  'CHANGELOG.md': 'changelog.md',
}
FOLDERS = {'ganjax/weights': ('*.md', 'cards'), 'examples': ('*.py', 'examples')}
_LINK = re.compile(r'(\]\()([^)\s#]+)')
_FENCE = re.compile(r'(^```.*?^```$)', re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
  """Path in the repository -> path in the site, of all documents."""
  found = dict(PAGES)
  docs = ROOT / 'docs'
  for path in sorted(path for path in docs.rglob('*') if path.is_file()):
    found[path.relative_to(ROOT).as_posix()] = path.relative_to(docs).as_posix()
  for folder, (pattern, place) in FOLDERS.items():
    for path in sorted((ROOT / folder).glob(pattern)):
      found[f'{folder}/{path.name}'] = f'{place}/{path.stem}.md'
  return found


def moved(text: str, source: str, known: dict[str, str]) -> str:
  """A document's text with its relative links as they are in the site.

  Args:
    source: the document's path in the repository.
    known: from `pages`; files that are linked and no documents are added.
  """
  here = os.path.dirname(known[source])

  def link(match: re.Match) -> str:
    if re.match(r'[a-z]+:', match[2]):
      return match[0]
    file = os.path.normpath(os.path.join(os.path.dirname(source), match[2]))
    if not (ROOT / file).is_file():
      raise SystemExit(f'{source}: links to {match[2]}, which is no file')
    return match[1] + os.path.relpath(known.setdefault(file, file), here or '.')

  parts = _FENCE.split(text)
  return ''.join(part if part.startswith('```') else _LINK.sub(link, part) for part in parts)


def page_of_code(path: pathlib.Path) -> str:
  """A script as a page."""
  return f'# {path.name}\n\n```python\n{path.read_text("utf-8").rstrip()}\n```\n'


def main() -> None:
  """Makes build/docs anew."""
  shutil.rmtree(TARGET, ignore_errors=True)
  known = pages()
  for source, place in [*known.items()]:
    path = ROOT / source
    (TARGET / place).parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.py':
      (TARGET / place).write_text(page_of_code(path), 'utf-8')
    elif path.suffix == '.md':
      (TARGET / place).write_text(moved(path.read_text('utf-8'), source, known), 'utf-8')
  for source, place in known.items():  # pictures, and what else is linked
    if not (TARGET / place).exists():
      (TARGET / place).parent.mkdir(parents=True, exist_ok=True)
      shutil.copy(ROOT / source, TARGET / place)


if __name__ == '__main__':
  main()
