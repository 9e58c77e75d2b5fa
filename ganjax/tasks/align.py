"""Align: find the faces and crop them as the generator wants them."""

import pathlib

from ganjax import data, report, weights
from ganjax.restoration.faces import reduced, unfinished
from ganjax.restoration.result import Result
from ganjax.tasks import console
from ganjax.tasks.config import FacesConfig


def run(config: FacesConfig) -> int:
  """Crops every face of the input; returns the number of failures."""
  networks = weights.load(config.weights)
  items = data.find(config.input)
  with data.Store.open(config.output, config.record(networks.sha256), config.overwrite) as store:
    found = unfinished(store, items, config.align, networks.template, networks.resolution)
    for face in found:
      assert face.photo is not None
      result = Result(
        name=face.name,
        source=face.source,
        images={'photo': reduced(face.photo), 'aligned': face.crop.image},
        record={'quad': face.crop.quad.tolist()},
        num_results=face.num_faces,
      )
      result.keep(store, config.task)
    path = report.write_report(pathlib.Path(config.output))
    return console.print_summary(config.task, store, path)
