"""Finding faces and their 68 landmarks with dlib."""

from typing import NamedTuple

import numpy as np

from ganjax.faces import boxes, detectors, filling, views
from ganjax.faces.template import FaceError


class _Look(NamedTuple):
  """How the photo is shown to the HOG detector, whose faces are at least 80 px wide."""

  shortest: int  # the long side is brought between these two, px
  longest: int
  margin: float  # of the short side, around the photo: for faces that fill it
  threshold: float  # the score of a face: 1.2 on average, one in twenty below 0.3
  zoom: float = 1.0  # before the long side is brought between the two


class _Found(NamedTuple):
  """A face."""

  landmarks: np.ndarray  # [68, 2], the photo's pixels
  score: float
  turn: int  # quarter turns to the left that bring it upright

  @property
  def box(self) -> np.ndarray:
    return boxes.around_points(self.landmarks)


# Badges and the like score up to 0.2, so a weak score is believed only for something large, which
# is all that the second look can see. It is for soft faces and those that overflow the picture.
_LOOKS = (
  _Look(480, 1600, margin=0.2, threshold=0.3),
  _Look(320, 320, margin=0.0, threshold=0.0),
)
# For faces of 65 px in photos of 17 megapixels. What scores below `_SURE` is asked of the network:
# of 25 pictures of textures, in all turns and sizes, the worst scored 0.31.
_FAR = _Look(480, 6000, margin=0.0, threshold=0.0, zoom=1.25)
_SURE = 0.8
# Where nothing else is seen: so small a score is no more than a hint at where the network may look.
_HINTS = _Look(1600, 6000, margin=0.0, threshold=-0.3, zoom=1.25)
# For scratches without a mask: the copy of the photo in which they are guessed, and how wide, px,
# they may be there. Wide ones lie over large faces; of small faces they leave nothing.
_REPAIRED_SIDE = 480
_SCRATCH_WIDTHS = (7, 12, 15)
_MAX_QUESTIONS = 6  # asked of the network, a third of a second each
_NETWORK_SIDE = 560  # px, of the whole photo for the network, without its margin: three seconds
_QUESTION_WIDTH = 100  # px, of a face that the network is asked about
_LOCAL_WIDTH = 160  # px, of a face whose turn is looked for
_LOOSE_WIDTH = 480  # px, of a box that may be much wider than its face
_TURNS = range(4)


def detect(image: np.ndarray, thorough: bool = False) -> list[np.ndarray]:
  """Finds the faces in one photo.

  dlib's frontal detector (histograms of oriented gradients) and its regression trees (Kazemi and
  Sullivan 2014), on a copy of the photo whose long side is brought into 480–1600 px. Faces
  must be wider than a twentieth of that side, and upright within some 40°.

  Args:
    image: uint8 RGB [H, W, 3].
    thorough: whether to look for small faces in large photos as well and, where no face is seen,
      in the photo turned by quarters, behind what may be scratches, and with dlib's convolutional
      detector (King 2015). A photo of a face takes little longer then, 12 megapixels three
      seconds, and a photo without a face ten.

  Returns:
    One array [68, 2] per face, float64, x and y in the photo's pixels (see `template`), ordered
    from left to right; empty where there is no face. Those of a face that lies on its side lie on
    their side, too.

  Raises:
    FaceError: not a uint8 RGB picture, or dlib or its models are not installed.
  """
  check_rgb(image)
  found = _find_thoroughly(image) if thorough else _find_upright(image)
  return sorted((face.landmarks for face in found), key=lambda face: tuple(face.mean(axis=0)))


def detect_largest(image: np.ndarray) -> np.ndarray | None:
  """The widest of the faces that `detect` finds, [68, 2]; None where there is no face."""
  return max(detect(image), key=lambda face: float(np.ptp(face[:, 0])), default=None)


def detect_in(image: np.ndarray, box: np.ndarray) -> np.ndarray:
  """The landmarks of the face of which a person says that it is there.

  Where a detector sees a face in the box, in any quarter turn, the landmarks are that face's; else
  the box itself is taken for an upright face from the brows to the chin.

  Args:
    image: uint8 RGB [H, W, 3].
    box: left, top, right and bottom in the photo's pixels, [4]; within the photo.

  Returns:
    [68, 2], as from `detect`.

  Raises:
    FaceError: as `detect` does.
  """
  check_rgb(image)
  for width in (_LOCAL_WIDTH, _LOOSE_WIDTH):
    if face := _best_turn(image, box, width, _FAR.threshold):
      return face.landmarks
  view = views.around(image, box, _QUESTION_WIDTH)
  for seen in _ask_network(view):
    if boxes.same_face(seen, box):
      return _in_box(image, seen, 0).landmarks
  centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).mean() / 2
  return _predict_in(image, np.append(centre - half, centre + half), turn=0).landmarks


def check_rgb(image: np.ndarray) -> np.ndarray:
  """Returns `image` if it is uint8 [H, W, 3] and not empty; raises FaceError otherwise."""
  if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
    raise FaceError(
      f'expected an RGB picture, uint8 [H, W, 3], got {image.dtype} {list(image.shape)}; '
      'convert it first'
    )
  return image


def _find_upright(photo: np.ndarray) -> list[_Found]:
  for look in _LOOKS:
    if found := _look(photo, look):
      return found
  return []


def _find_thoroughly(photo: np.ndarray) -> list[_Found]:
  """One look after another, the cheap ones first, until one sees a face."""
  upright = _find_upright(photo)
  if _best_score(upright) >= _LOOKS[0].threshold:
    return _with_company(photo, upright)
  turned = max((_look(photo, _LOOKS[0], turn) for turn in _TURNS[1:]), key=_best_score)
  if turned and (not upright or _best_score(turned) >= _SURE):
    return _with_company(photo, turned)
  return upright or _behind_scratches(photo) or _hinted(photo) or _seen_by_network(photo)


def _with_company(photo: np.ndarray, found: list[_Found]) -> list[_Found]:
  """The strongest face, and all beside it, small ones too, that are strong or seen by the network.

  A badge on somebody's chest may score as a weak face does.
  """
  strongest, *others = _strongest_first(found)
  candidates = others + _look(photo, _FAR, strongest.turn)
  beside = [face for face in candidates if not _is_among(face.box, [strongest])]
  return [strongest, *_confirmed(photo, beside)]


def _confirmed(photo: np.ndarray, candidates: list[_Found]) -> list[_Found]:
  """Those that are strong or that the network sees as well, each once."""
  found: list[_Found] = []
  num_questions = 0
  for face in _strongest_first(candidates):
    if _is_among(face.box, found):
      continue
    if face.score < _SURE:
      num_questions += 1
      if num_questions > _MAX_QUESTIONS or not _is_seen(photo, face):
        continue
    found.append(face)
  return found


def _is_seen(photo: np.ndarray, face: _Found) -> bool:
  view = views.around(photo, face.box, _QUESTION_WIDTH, face.turn)
  return any(boxes.same_face(seen, face.box) for seen in _ask_network(view))


def _hinted(photo: np.ndarray) -> list[_Found]:
  """Small faces in any quarter turn, else what the network sees near mere hints of faces."""
  hints: list[_Found] = []
  for turn in _TURNS:
    candidates = _look(photo, _HINTS, turn)
    if _best_score(candidates) >= _SURE:
      return _confirmed(photo, [face for face in candidates if face.score >= _FAR.threshold])
    hints += candidates
  asked: list[_Found] = []
  found: list[_Found] = []
  for hint in _strongest_first(hints):
    if len(asked) == _MAX_QUESTIONS:
      break
    if _is_among(hint.box, asked):
      continue
    asked.append(hint)
    for seen in _ask_network(views.around(photo, hint.box, _QUESTION_WIDTH, hint.turn)):
      if not _is_among(seen, found):
        found.append(_in_box(photo, seen, hint.turn))
  return found


def _behind_scratches(photo: np.ndarray) -> list[_Found]:
  """Faces in a copy of which everything that may be a scratch is filled, in any quarter turn."""
  copy = views.whole(photo, _REPAIRED_SIDE, margin=0.0)
  for width in _SCRATCH_WIDTHS:
    repaired = filling.fill(copy.pixels, filling.scratches(copy.pixels, width))
    found = max((_look(repaired, _LOOKS[0], turn) for turn in _TURNS), key=_best_score)
    if found:
      return [face._replace(landmarks=copy.to_photo(face.landmarks)) for face in found]
  return []


def _seen_by_network(photo: np.ndarray) -> list[_Found]:
  """What the network sees in the whole photo; it knows lying faces, but none upside down."""
  for turn in (0, 2):
    if seen := _ask_network(views.whole(photo, _NETWORK_SIDE, margin=0.1, turn=turn)):
      return [_in_box(photo, box, turn) for box in seen]
  return []


def _look(photo: np.ndarray, look: _Look, turn: int = 0) -> list[_Found]:
  side = np.clip(look.zoom * max(photo.shape[:2]), look.shortest, look.longest)
  return _run_hog(views.whole(photo, float(side), look.margin, turn), look.threshold)


def _run_hog(view: views.View, threshold: float) -> list[_Found]:
  rectangles, scores, _ = detectors.hog().run(view.pixels, 0, threshold)
  return [
    _Found(_predict(view, rectangle), score, view.turn)
    for rectangle, score in zip(rectangles, scores, strict=True)
  ]


def _ask_network(view: views.View) -> list[np.ndarray]:
  """The boxes [4] of the faces that the network sees, in the photo's pixels."""
  rectangles = detectors.mmod(view.pixels)
  corners = [((r.left(), r.top()), (r.right() + 1, r.bottom() + 1)) for r in rectangles]
  return [boxes.around_points(view.to_photo(np.array(pair, np.float64))) for pair in corners]


def _in_box(photo: np.ndarray, box: np.ndarray, turn: int) -> _Found:
  """The face that the network has seen in a box [4], in the turn that looks most like a face."""
  hint = _best_turn(photo, box, _LOCAL_WIDTH, threshold=-0.5)
  return _predict_in(photo, box, hint.turn if hint else turn)


def _best_turn(photo: np.ndarray, box: np.ndarray, width: float, threshold: float) -> _Found | None:
  """The strongest face that the HOG detector sees in a box [4], in any quarter turn."""
  found = [
    face
    for turn in _TURNS
    for face in _run_hog(views.around(photo, box, width, turn), threshold)
    if boxes.same_face(face.box, box)
  ]
  return max(found, key=lambda face: face.score, default=None)


def _predict_in(photo: np.ndarray, box: np.ndarray, turn: int) -> _Found:
  view = views.around(photo, box, _LOCAL_WIDTH, turn)
  seen = boxes.around_points(view.to_view(box.reshape(2, 2)))
  return _Found(_predict(view, detectors.rectangle(*seen)), _SURE, turn)


def _predict(view: views.View, rectangle) -> np.ndarray:
  """Landmarks [68, 2] in the photo's pixels; `rectangle` is dlib's, in the view's."""
  parts = detectors.predictor()(view.pixels, rectangle).parts()
  return view.to_photo(np.array([(p.x, p.y) for p in parts], np.float64) + 0.5)


def _is_among(box: np.ndarray, found: list[_Found]) -> bool:
  return any(boxes.same_face(box, face.box) for face in found)


def _strongest_first(found: list[_Found]) -> list[_Found]:
  return sorted(found, key=lambda face: -face.score)


def _best_score(found: list[_Found]) -> float:
  return max((face.score for face in found), default=-np.inf)
