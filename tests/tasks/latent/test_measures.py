"""What is said about walks."""

import numpy as np
import pytest

from ganjax.tasks.latent import measures

STEPS = np.float32([-2, -1, 0, 1, 2])


@pytest.mark.parametrize(
  ('scores', 'cost'),
  [
    ((-9, -9, -1, 1, 2), (1.0, 0.4)),  # it comes on the way up
    ((9, -1, -1, -1, 2), (2.0, 0.7)),  # what happens downhill is no success
    ((-3, 1, 1, 1, 2), (-2.0, 0.8)),  # it goes on the way down
    ((1, 1, 1, -1, -1), (None, None)),
    ((-1, -1, -1, -1, -1), (None, None)),
  ],
)
def test_where_the_answer_changes_and_what_it_costs(scores, cost):
  assert measures.flip_cost(STEPS, np.float32(scores), [0.8, 0.5, 0.0, 0.4, 0.7]) == cost


def test_means_over_faces():
  records = [
    {
      'per_unit': {'age': 1.0, 'smile': 0.1},
      'identity': [0.4, 0.0, 0.6],
      'success': True,
      'identity_at_flip': 0.6,
      'flip_step': 2.0,
    },
    {
      'per_unit': {'age': 2.0},  # no face was found
      'identity': None,
      'success': False,
      'identity_at_flip': None,
      'flip_step': None,
    },
  ]
  found = measures.summary(records)
  assert found['faces'] == 2
  assert found['per_unit']['age'] == pytest.approx([1.5, 1.96 * 0.5**0.5 / 2**0.5], rel=1e-3)
  assert found['per_unit']['smile'] == [0.1, 0.0]
  assert (found['success'], found['identity_at_flip'], found['flip_step']) == (0.5, 0.6, 2.0)
  assert found['identity_at_ends'] == pytest.approx(0.5)
  assert found['success_95'] == pytest.approx((0.0945, 0.9055), abs=1e-3)


def test_without_a_face_nothing_is_measured():
  blank = np.full((3, 64, 64, 3), 128, np.uint8)
  assert measures.appearances(blank) == measures.Appearances({}, None)
