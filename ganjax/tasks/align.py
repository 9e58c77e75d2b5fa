"""Align: find the faces and crop them as the generator wants them."""

import pathlib

from ganjax import data, report, weights
from ganjax.choices import INIT_AVERAGE
from ganjax.restoration.faces import Search, unfinished
from ganjax.restoration.result import Result
from ganjax.restoration.whole_photos import WholePhotos
from ganjax.tasks import console
from ganjax.tasks.config import FacesConfig


def run(config: FacesConfig) -> int:
  """Crops every face of the input; returns the number of failures."""
  networks = weights.load(config.weights, init=INIT_AVERAGE)
  items = data.find(config.input)
  search = Search(networks.template, networks.resolution, config.align, config.box)
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    whole = WholePhotos()
    for face in unfinished(store, items, search):
      result = Result(
        name=face.name,
        source=face.source,
        images={'aligned': face.crop.image},
        record={'quad': face.crop.quad.tolist()},
        num_results=face.num_faces,
      )
      result.keep(store, config.task, files=whole.keep_copy(store, face))
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)
