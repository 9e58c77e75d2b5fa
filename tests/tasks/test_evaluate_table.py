"""The tables, of figures that are made up."""

import csv

import pytest

from ganjax.tasks import evaluate_table
from ganjax.tasks.evaluate_table import Cell


def cell(method, psnr, kind='restored', task='deblur', **more):
  head = {'task': task, 'level': 'M', 'method': method}
  pictures = [
    {**head, 'name': str(i), 'psnr': value, **{k: v[i] for k, v in more.items()}}
    for i, value in enumerate(psnr)
  ]
  known = [value for value in psnr if value is not None]
  return Cell(kind, {**head, 'n': len(psnr), 'psnr': sum(known) / len(known)}, pictures)


def paired(*cells):
  lines = evaluate_table.paired(list(cells))
  return {(line['methods'], line['measure']): tuple(line.values())[4:] for line in lines}


def test_differences_are_of_pairs():
  found = paired(cell('a', [30, 31, 35]), cell('b', [29, 29, 32]))
  assert found == {('a − b', 'psnr'): (3, pytest.approx(2), pytest.approx((1 / 3) ** 0.5))}


def test_only_pictures_that_have_a_measure_in_both_are_compared():
  eyes = {'eyes': [0.1, None, 0.3, 0.2]}, {'eyes': [0.2, 0.1, None, 0.4]}
  infinite = float('inf')
  first = cell('a', [30, 31, 32, infinite], **eyes[0])
  other = cell('b', [29, 30, 31, infinite], **eyes[1])
  found = paired(first, other)
  assert found['a − b', 'psnr'] == (3, 1, 0)
  assert found['a − b', 'eyes'] == (2, pytest.approx(-0.15), pytest.approx(0.05))


def test_the_difference_of_one_picture_has_no_error():
  assert paired(cell('a', [30]), cell('b', [28])) == {('a − b', 'psnr'): (1, 2, None)}


def test_like_is_compared_with_like():
  cells = [
    cell('degraded', [20], 'degraded'),
    cell('a', [30]),
    cell('a (completed)', [31], 'completed'),
    cell('b', [28]),
    cell('b (completed)', [29], 'completed'),
    cell('a', [10], task='invert'),
  ]
  assert {methods for methods, _ in paired(*cells)} == {
    'a − degraded',
    'a − b',
    'a (completed) − b (completed)',
  }


def test_the_tables_show_what_there_is_and_say_what_it_is():
  first, other = cell('a', [30, 32], eyes=[0.1, 0.2]), cell('b', [29, 29], eyes=[None, 0.4])
  first.line.update(score=-1.0, score_truth=0.5, frechet_identity=-0.001)
  text = evaluate_table.markdown([first, other])
  assert '| task | level | method | n | psnr ↑ |\n' in text
  assert '| deblur | M | a | 2 | 31.00 |\n' in text
  assert '| method | n | score ↑ | frechet_identity ↓ |\n' in text
  assert '| deblur | M | a | 2 | -1.00 (0.50) | 0.00 |\n' in text
  assert '| deblur | M | b | 2 | – | – |\n' in text
  assert '| deblur | M | a − b | +2.00 ± 1.00 | -0.200 |\n' in text
  assert '- `psnr`: ' in text
  assert 'ssim' not in text


def test_kernel_distances_have_their_errors():
  one = cell('a', [30, 32], kernel_discriminator=[3.0, 1.0])
  one.line['kernel_discriminator'] = 2.0
  assert '| deblur | M | a | 2 | 2.00 ± 1.00 |\n' in evaluate_table.markdown([one])


def test_every_column_is_explained():
  assert set(evaluate_table.EXPLAINED) | {'score_truth'} == set(evaluate_table.COLUMNS)


def test_files_have_all_columns(tmp_path):
  evaluate_table.write(tmp_path, [cell('a', [30, 32]), cell('b', [29, 29])])
  read = {
    path.name: list(csv.DictReader(path.read_text().splitlines()))
    for path in tmp_path.glob('*.csv')
  }
  assert {name: len(lines) for name, lines in read.items()} == {
    'table.csv': 2,
    'pictures.csv': 4,
    'paired.csv': 1,
  }
  (line,) = read['paired.csv']
  assert list(line) == list(evaluate_table.PAIRED)
  assert (line['n'], line['difference'], line['standard_error']) == ('2', '2.0', '1.0')
  assert list(read['table.csv'][0])[4:] == list(evaluate_table.COLUMNS)
