import numpy as np
import pytest

from ganjax.faces import views


@pytest.mark.parametrize('turn', range(4))
def test_positions_lead_to_the_view_and_back(turn):
  photo = np.zeros((90, 150, 3), np.uint8)
  photo[40:44, 100:104] = 255  # around (102, 42)
  spot = np.array([(102.0, 42.0)])
  for view in (
    views.whole(photo, 300, 0.2, turn),
    views.around(photo, np.array([80.0, 30.0, 120.0, 60.0]), 80, turn),
  ):
    (x, y) = view.to_view(spot)[0]
    assert view.pixels[int(y), int(x)].min() > 200
    rows, columns = np.nonzero(view.pixels[..., 0] > 127)
    np.testing.assert_allclose((columns.mean() + 0.5, rows.mean() + 0.5), (x, y), atol=0.1)
    np.testing.assert_allclose(view.to_photo(view.to_view(spot)), spot, atol=1e-9)


def test_a_region_ends_at_the_edge_of_the_photo():
  photo = np.full((90, 150, 3), 7, np.uint8)
  view = views.around(photo, np.array([-20.0, -20.0, 30.0, 30.0]), 100)
  assert view.region == (0, 0, 60, 60)
  assert (view.pixels == 7).all()
