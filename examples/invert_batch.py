"""Inverts a batch of faces: the latents that make them, and how near they come.

    python examples/invert_batch.py --input me.jpg you.jpg

Without photos of your own the batch is the bundled one and its mirror image. Images of a batch do
not influence each other: each gives what it gives alone.
"""

import numpy as np
import support

import ganjax


def main(arguments=None):
  flags = support.parser(__doc__.splitlines()[0]).parse_args(arguments)
  networks = ganjax.load(flags.weights)
  images = support.load_faces(flags.input, networks, flags.align)  # [N, H, W, 3] in [-1, 1]
  if len(images) == 1:
    images = np.concatenate([images, images[:, :, ::-1]])
  names = [f'face_{i}' for i in range(len(images))]

  # `identity`: the images are whole. Any field of `Hyper` may follow as a keyword, and be an array
  # with a value for each image.
  result = ganjax.restore(
    networks,
    images,
    'identity',
    names=names,
    preset='robust',
    num_steps=flags.num_steps,
    on_progress=lambda progress: print(f'step {progress.step}'),
  )

  for i, name in enumerate(names):
    latent = result.latent[i]
    psnr = ganjax.psnr(result.image[i], images[i])
    print(f'{name}: {psnr:.1f} dB, latent {latent.shape}, settled at step {result.settled_at[i]}')
  support.write_sheet(flags.output / 'invert_batch.png', [images, result.image])
  np.savez(flags.output / 'invert_batch.npz', latent=result.latent, names=names)


if __name__ == '__main__':
  main()
