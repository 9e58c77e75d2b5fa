"""A new preset: what an inversion does is data.

    python examples/preset.py

Inverts a face by the published projector, and by a preset of one's own with as many steps.
"""

import numpy as np
import support

import ganjax
from ganjax.inversion import PROJECTOR, Hyper, Phase, Preset

# First one w for all layers, where the generator is at its best; then a w for each layer, at half
# the rate, for what no single w can make. Pixels count as well. Noise maps begin at zero, and grow
# as far as `noise_reg_weight` lets them.
OWN = Preset(
  phases=(Phase('w', share=0.3), Phase('w_plus', share=0.7, rate=0.5)),
  noise_maps='free',
  hyper=Hyper(
    learning_rate=0.4,
    latent_dist_reg_weight=0.4,
    noise_reg_weight=0.01,
    pixel_weight=30.0,
    w_noise=0.0,
  ),
)


def main(arguments=None):
  flags = support.parser(__doc__.splitlines()[0], num_steps=150).parse_args(arguments)
  networks = ganjax.load(flags.weights)
  images = support.load_faces(flags.input, networks, flags.align)

  rows = [images]
  for name, preset in (('projector', PROJECTOR), ('own', OWN)):
    result = ganjax.restore(networks, images, 'identity', preset=preset, num_steps=flags.num_steps)
    psnr = np.mean([ganjax.psnr(a, b) for a, b in zip(result.image, images, strict=True)])
    print(f'{name}: {psnr:.1f} dB, loss {np.mean(result.loss[:, -1]):.2f}')
    rows.append(result.image)
  support.write_sheet(flags.output / 'preset.png', list(zip(*rows, strict=True)))


if __name__ == '__main__':
  main()
