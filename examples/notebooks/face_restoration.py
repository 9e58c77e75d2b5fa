# %% [markdown]
# # Face restoration
#
# A photograph is aligned, inverted, damaged in several ways and restored by StyleGAN2, and every
# result is compared with the truth. The notebook runs on Python 3.11 to 3.13, on a CPU or a GPU. On
# two CPU cores with other work to do it took 28 minutes; `NUM_STEPS = 50` makes it quicker.
#
# **On Colab**, upload or clone the folder `ganjax` into `/content`, choose a GPU runtime, and run
# the cells from the first one on. **At home**, start Jupyter in the clone.
#
# What a restoration adds is invented: it is what a face could look like, not what this one did.

# %%
import importlib.util
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path.cwd()
ROOT = next(
  folder
  for folder in (*(HERE, *HERE.parents), HERE / 'ganjax')
  if (folder / 'scripts' / 'demo' / 'astronaut.png').is_file()
)
installed = importlib.util.find_spec('ganjax')
if installed is None or installed.origin is None:
  extra = '[cuda]' if shutil.which('nvidia-smi') else ''
  subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', f'{ROOT}{extra}'], check=True)

# %% tags=["parameters"]
PHOTO = ''  # the path of a photo of your own; '' for the bundled portrait
WEIGHTS = ''  # a generator of your own; '' for the bundled one, which draws 128 px
NUM_STEPS = 100
KERNELS = [5, 15, 25]  # px, odd
VARIANCES = [3, 7, 12]  # px²
SEED = 0
OUTPUT = 'face_restoration_output'

# %%
import io
import itertools

import IPython.display
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

import ganjax
from ganjax import data, degradations, editing, faces, report
from ganjax.pixels import to_bytes, to_float
from ganjax.restoration.completion import completed
from ganjax.runtime import compile_cache, devices

devices.one_per_core()  # on a CPU every core takes images of its own
devices.disable_cpu_fusion_emitters()
compile_cache.enable()  # what is compiled is kept for the next time

networks = ganjax.load(WEIGHTS or None)
side = networks.resolution
output = pathlib.Path(OUTPUT)
output.mkdir(exist_ok=True)


def display(pixels):
  """Shows uint8 [H, W, 3] as a JPEG, which keeps the notebook small."""
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'JPEG', quality=85)
  IPython.display.display(IPython.display.Image(file.getvalue()))


def show(*rows, labels=(), width=128):
  """Shows rows of (image, caption); images are uint8 or floats in [-1, 1]."""
  cells = [
    [report.Cell(x if x.dtype == np.uint8 else to_bytes(np.asarray(x)), text) for x, text in row]
    for row in rows
  ]
  display(report.sheet(cells, labels=labels, side=width))


def decibels(image, mask=None):
  """PSNR against the aligned face, as text."""
  image = to_float(image) if image.dtype == np.uint8 else image
  return f'{ganjax.psnr(image, face, mask):.1f} dB'


def best_of(values):
  """The place of the largest value of a table."""
  return tuple(int(i) for i in np.unravel_index(np.argmax(values), values.shape))


# %% [markdown]
# ## 1. Align
#
# The generator has seen faces of one size in one place, upright. So 68 landmarks are found (dlib),
# a square is laid over eyes and mouth, and what lies in it is scaled to the generator's resolution.

# %%
photo = data.decode(PHOTO or ROOT / 'scripts' / 'demo' / 'astronaut.png')
crop, *_ = faces.align(photo, networks.template, side, 'always')
face = to_float(crop.image)  # [side, side, 3] in [-1, 1]

outlined = Image.fromarray(photo)
ImageDraw.Draw(outlined).polygon([(x, y) for x, y in crop.quad], outline='#ffd60a', width=4)
outlined.thumbnail((384, 384))
display(np.asarray(outlined))
show([(crop.image, f'{side} px')], width=256)

# %% [markdown]
# ## 2. Invert
#
# An inversion looks for a latent (a row for each layer: W+) and noise maps that make the face.
# Three weights of the latent's distance from the average face, times three numbers of steps, are
# nine inversions and one batch: a hyperparameter is one value for all, or one for each image. All
# have the same name, so that they have the same randomness.

# %%
latent_weights = [0.02, 0.4, 8.0]
steps = [NUM_STEPS // 4, NUM_STEPS, 2 * NUM_STEPS]
settings = list(itertools.product(latent_weights, steps))
inverted = ganjax.restore(
  networks,
  np.stack([face] * len(settings)),
  'identity',
  names=['face'] * len(settings),
  task='invert',
  seed=SEED,
  latent_dist_reg_weight=[weight for weight, _ in settings],
  num_steps=[count for _, count in settings],
  chunk_steps=25,
)
psnr = np.array([ganjax.psnr(image, face) for image in inverted.image]).reshape(3, 3)
captions = [
  f'{value:.1f} dB, settled at {at}'
  for value, at in zip(psnr.ravel(), inverted.settled_at, strict=True)
]
display(
  report.picture_table(
    to_bytes(inverted.image).reshape(3, 3, side, side, 3),
    [f'weight {weight:g}' for weight in latent_weights],
    [f'{count} steps' for count in steps],
    np.reshape(captions, (3, 3)).tolist(),
    best_of(psnr),
  )
)


# %%
def loss_curve(restoration, i, title):
  """The loss of a batch's image `i` and its terms, on a logarithmic scale."""
  one = jax.tree.map(lambda x: x[i], restoration._replace(tuned=None))
  lines = {'total': one.loss, **one.terms._asdict()}
  return IPython.display.Image(report.loss_curve(lines, int(one.settled_at), title))


loss_curve(inverted, 5, f'weight {settings[5][0]:g}, {settings[5][1]} steps')

# %%
loss_curve(inverted, 8, f'weight {settings[8][0]:g}, {settings[8][1]} steps')

# %% [markdown]
# Steps matter more than the weight. After 25 the picture is smeared in false colours, with a large
# weight less so; after 200 it is she. A small weight and a middle one end alike; with the large one
# the face stays a little too near the average. The terms of the latent and the noise begin at 0,
# since the search begins at the average face without noise maps; what the latent may not explain,
# with the large weight, goes into the noise maps, whose term is more than twice as large then.
# *Settled* is the step after which the loss stays within 1 % of its end. It is always near the end:
# the learning rate falls over the last quarter, and the loss calms down because of that. So the
# step says that the rate had come down, not that fewer steps would have done.

# %% [markdown]
# ## 3. Deblur
#
# Nine blurs: kernel size times variance. First the restoration knows which one it was. Each image
# of the batch has a degradation of its own; the captions say how far from the truth the blurred
# and the restored face are.


# %%
def degraded(spec):
  """The face, degraded."""
  return np.asarray(ganjax.parse_degradation(spec).true(face, jax.random.key(SEED)))


table = list(itertools.product(KERNELS, VARIANCES))
blurs = [f'blur(kernel_size={size}, variance={variance})' for size, variance in table]
blurred = np.stack([degraded(spec) for spec in blurs])
common = {'names': ['face'] * 9, 'task': 'deblur', 'seed': SEED, 'num_steps': NUM_STEPS}
common['chunk_steps'] = 25
known = ganjax.restore(networks, blurred, blurs, **common)

rows = [f'kernel {size} px' for size in KERNELS]
columns = [f'variance {variance}' for variance in VARIANCES]


def show_table(images, captions, best=None):
  """Pictures by kernel and variance."""
  pictures = to_bytes(np.asarray(images)).reshape(3, 3, side, side, 3)
  display(
    report.picture_table(pictures, rows, columns, np.reshape(captions, (3, 3)).tolist(), best)
  )


def heat_map(images, title):
  """PSNR by kernel and variance, and the place of the best."""
  values = np.array([ganjax.psnr(image, face) for image in images]).reshape(3, 3)
  best = best_of(values)
  IPython.display.display(
    IPython.display.Image(report.heat_map(values, rows, columns, title, best))
  )
  return best


show_table(blurred, [decibels(image) for image in blurred])
show_table(known.image, [decibels(image) for image in known.image])
_ = heat_map(known.image, 'PSNR in dB, the blur known')

# %% [markdown]
# Now there is one blurred face, the one in the middle of the table, and the restoration assumes
# each of the nine blurs in turn.

# %%
given = blurred[4]
assumed = ganjax.restore(networks, np.stack([given] * 9), blurs, **common)
best = heat_map(
  assumed.image, f'PSNR in dB of what was blurred with {KERNELS[1]} px, {VARIANCES[1]}'
)
show_table(assumed.image, [decibels(image) for image in assumed.image], best)

# %% [markdown]
# Nobody knows the blur of an old photograph. A `?` is found first, together with a rough face.

# %%
unknown = f'blur(kernel_size={KERNELS[-1]}, variance=?)'
blind = ganjax.restore(networks, given[None], unknown, **{**common, 'names': ['face']})
print('true: ', blurs[4])
print('found:', jax.tree.map(lambda x: x[0], blind.degradation))
show(
  [
    (given, f'blurred, {decibels(given)}'),
    (known.image[4], f'known, {decibels(known.image[4])}'),
    (blind.image[0], f'blind, {decibels(blind.image[0])}'),
    (face, 'truth'),
  ],
  width=192,
)

# %% [markdown]
# A kernel of 5 px cuts the Gaussian off after 2 px, so that its variance hardly matters; and where
# it is 25, it is wide enough for every variance here, and is hardly told from 15. The restoration
# gains the more, the more is lost: up to 2.8 dB. The mildest blur it makes a little worse (28.9 for
# 29.2 dB).
#
# A wrong assumption is punished on one side more than on the other. With too little blur assumed,
# the face stays blurred. With too much, edges and contrasts are exaggerated to a caricature, worse
# than the input in numbers (22.9 against 24.6 dB), although it looks sharp. The `?` finds a
# variance of 7.4 where 7 was true, and the blind result is as good as the one that was told.

# %% [markdown]
# ## 4. Colorize
#
# A grey photo says nothing about hues, so the loss leaves them wholly open, and the distance from
# the average face has to choose them. Three weights, from small to large. In the lower row the
# brightness is the input's own, and only colours are the generator's (`completed`).

# %%
grey = degraded('grayscale()')
colour_weights = [0.03, 3.0, 30.0]
coloured = ganjax.restore(
  networks,
  np.stack([grey] * 3),
  names=['face'] * 3,
  task='colorize',
  seed=SEED,
  num_steps=NUM_STEPS,
  latent_dist_reg_weight=colour_weights,
  chunk_steps=25,
)
grayscale = ganjax.parse_degradation('grayscale()')
filled = [completed(grayscale, grey, to_bytes(image)) for image in coloured.image]
show(
  [(grey, decibels(grey))]
  + [
    (image, f'{weight:g}: {decibels(image)}')
    for image, weight in zip(coloured.image, colour_weights, strict=True)
  ],
  [(face, 'truth')] + [(image, f'completed: {decibels(image)}') for image in filled],
  width=160,
)

# %% [markdown]
# With a small weight, skin is orange, shadows are blue and the eyes, too: any hue of the right
# brightness explains a grey pixel, and the search takes whichever it meets first. With a large one,
# hues are those of likely faces, but the face is another (20.2 dB, less than the grey input).
# Completed, that costs nothing: all details are the input's, and the largest weight is the best
# (30.5 dB). The colours are likely ones: her warm light has become a neutral one.

# %% [markdown]
# ## 5. Inpaint
#
# A mask of one's own is any picture that is black in holes and white elsewhere. This one is drawn
# here, over the face as the photo has it, four times as large as the generator's.

# %%
large = faces.cut(photo, crop.quad, 4 * side)
mask = Image.new('L', (4 * side, 4 * side), 'white')
pen = ImageDraw.Draw(mask)
points = [(0.2, 0.35), (0.45, 0.5), (0.4, 0.75), (0.75, 0.62)]  # in shares of the side
pen.line([(4 * side * x, 4 * side * y) for x, y in points], fill='black', width=side // 4)
pen.ellipse([4 * side * x for x in (0.58, 0.3, 0.72, 0.42)], fill='black')
mask.save(output / 'mask.png')
Image.fromarray(large).save(output / 'face.png')
visible = np.asarray(mask) == 255

# %% [markdown]
# **The classical mistake** is to mask first and to resize then: the resampling filter mixes the
# hole's colour into the pixels around it, which count as visible. Below, the first restoration gets
# a face that was resized first; the second the mistake; the third the same picture, but with a mask
# that hides every pixel into which a hole was mixed. That is what ganjax does with masks in files.


# %%
def halved_twice(picture):
  """A fourth as large, by the filter that everybody takes."""
  return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


ink = np.array([0, 160, 40], np.uint8)  # a felt pen's
painted = halved_twice(np.where(visible[:, :, None], large, ink))
plain = visible[2::4, 2::4]  # the mask resized by itself, without a filter
strict = faces.crop_mask(visible, faces.full_quad(large), side, side)
inputs = [
  ('resized, then masked', np.where(plain[:, :, None], face, to_float(ink)), plain),
  ('masked, then resized', to_float(painted), plain),
  ('… with a strict mask', to_float(painted), strict),
]
masks = [degradations.PictureMask(shown) for _, _, shown in inputs]
inpainted = ganjax.restore(
  networks,
  np.stack([picture for _, picture, _ in inputs]),
  masks,
  names=['face'] * 3,
  task='inpaint',
  seed=SEED,
  num_steps=NUM_STEPS,
  chunk_steps=25,
)
whole = [
  completed(one, picture, to_bytes(image))
  for one, (_, picture, _), image in zip(masks, inputs, inpainted.image, strict=True)
]
rim = (plain & ~strict)[:, :, None].astype(np.float32)  # what the mistake takes for visible
show(
  [(picture, title) for title, picture, _ in inputs],
  [(image, f'restored, rim {decibels(image, rim)}') for image in inpainted.image],
  [(image, f'completed, rim {decibels(image, rim)}') for image in whole],
  width=208,
)
print('completed, over the whole face:', ', '.join(decibels(image) for image in whole))

# %% [markdown]
# Holes are filled so that one has to look for them. The rim is what the second restoration takes
# for visible though ink is mixed into it: there it loses 2.5 dB (26.5 for 29.0), and specks of ink
# are left beside the nose. The strict mask lets no ink in, but has the rim to invent, and in
# numbers that is worse still than a little ink (23.0 dB). So no mask repairs it: resize first.
# Where a photo comes painted, the strict mask is the safe choice, since it does not depend on how
# gaudy the ink is.

# %% [markdown]
# ## 6. A whole photo with several faces
#
# `restore_photos` does all of it: finds the faces, crops, restores, and puts them back at the
# photo's own resolution. The bundled group shows the same woman three times; here it is made grey.

# %%
group = Image.open(ROOT / 'tests' / 'photographs' / 'group.jpg')
grey_group = np.asarray(group.convert('L').convert('RGB'))
(restored,) = ganjax.restore_photos(
  grey_group, task='colorize', networks=networks, seed=SEED, num_steps=NUM_STEPS
)
outlined = Image.fromarray(grey_group)
for one in restored.faces:
  ImageDraw.Draw(outlined).polygon([(x, y) for x, y in one.quad], outline='#ffd60a', width=3)
display(np.concatenate([np.asarray(outlined), restored.image]))

# %% [markdown]
# All three faces are found, whatever their size, and restored as one batch in which none influences
# another: so the three have not quite the same colours, though it is one woman. Only the crops are
# coloured; hair, neck and clothes stay grey, and the colour fades out at the edge of the crop. For
# this generator a face ends at the hairline.


# %% [markdown]
# ## 7. A degradation of one's own
#
# A camera that moves sideways while the shutter is open: each pixel is the mean of its neighbours
# along the row. An operator says what happens to one image; batches and gradients follow from it.
# [examples/motion_blur.py](../motion_blur.py) is a complete one, with an angle, a name for the
# command line, and a length that can be unknown.


# %%
@degradations.frozen_pytree
class Shake(degradations.Operator):
  """Moves sideways while the shutter is open."""

  weights: degradations.Leaf  # [length], odd: how long the camera was where

  def model(self, image, key):
    """The mean along the row, mirrored at the borders."""
    reach, width = len(self.weights) // 2, image.shape[1]
    wide = jnp.pad(image, ((0, 0), (reach, reach), (0, 0)), mode='reflect')
    parts = [self.weights[i] * wide[:, i : i + width] for i in range(2 * reach + 1)]
    return jnp.sum(jnp.stack(parts), axis=0)

  def __str__(self):
    return f'shake over {len(self.weights)} px'


length = side // 16 * 2 - 1
shake = Shake(np.full(length, 1 / length, np.float32))
shaken = np.asarray(shake.true(face, jax.random.key(SEED)))
steady = ganjax.restore(
  networks, shaken[None], shake, preset='robust', seed=SEED, num_steps=NUM_STEPS, chunk_steps=25
)
show(
  [
    (shaken, f'{shake}, {decibels(shaken)}'),
    (steady.image[0], f'restored, {decibels(steady.image[0])}'),
    (face, 'truth'),
  ],
  width=208,
)

# %% [markdown]
# A dozen lines, and a new kind of damage is undone (23.5 to 27.5 dB): eyes and the contour are
# sharp again; the teeth have become one white band, since nothing was left that tells them apart.

# %% [markdown]
# ## 8. Latents saved, loaded, re-rendered, interpolated
#
# A latent with its noise maps is the face. The file is like those that every run writes to
# `latents/`, which are what the tasks `traverse` and `interpolate` take by `--input`.

# %%
np.savez(
  output / 'face.npz',
  latent=inverted.latent[4],
  weights_sha256=networks.sha256,
  **{f'noise.{name}': maps[4] for name, maps in inverted.noise.items()},
)
(saved,) = data.find_latents(str(output / 'face.npz'))
rendered = editing.draw(
  networks.generator, saved.latent[None], jax.tree.map(lambda x: x[None], saved.noise)
)
difference = np.abs(rendered[0].astype(int) - to_bytes(inverted.image[4])).max()
print(f'latent {saved.latent.shape}; rendered again it differs by at most {difference} of 255')

# Half of the way the noise maps, which hold what is this face's alone, are gone.
z = editing.seeded(2, networks.generator.config.z_dim)
other = np.asarray(networks.generator.mapping(z, psi=0.7))
shares = jnp.linspace(0, 1, 6)
path = editing.interpolate(jnp.asarray(saved.latent), other, shares)
fading = jnp.maximum(1 - 2 * shares, 0)
noise = jax.tree.map(lambda x: fading[:, None, None] * x[None], saved.noise)
walk = editing.draw(networks.generator, np.asarray(path), jax.tree.map(np.asarray, noise))
show([(image, f'{share:.0%}') for image, share in zip(walk, shares, strict=True)])

# %% [markdown]
# The file gives back the picture exactly. On the way, the person is lost early: at 20 % it is still
# she, at 40 % somebody in between. What is a blend in numbers is a plausible face at every step.

# %% [markdown]
# ## 9. What is invented
#
# Three restarts begin at what the encoder takes for most likely, and at two other faces that it
# takes for possible. Where they end in different pictures, the photo has not decided. The mask is the one of section 5, as a file this time.

# %%
(restored,) = ganjax.restore_photos(
  output / 'face.png',
  networks=networks,
  task='inpaint',
  mask=output / 'mask.png',
  align='never',
  degrade_first=True,
  restarts=3,
  seed=SEED,
  num_steps=NUM_STEPS,
)
(result,) = restored.faces
print({name: round(value, 2) for name, value in result.metrics.items()})
show(
  [(result.images[kind], kind) for kind in ('degraded', 'restored', 'completed', 'aligned')],
  width=176,
)
IPython.display.Image(report.deviation_map(result.deviation))

# %% [markdown]
# The restarts agree on the cheek under the stroke, since skin is easy to guess, and nearly agree on
# the hidden eye. Along the mouth they differ by up to 15 % of the range: which teeth show there is
# invented. The converse does not hold: where restarts agree, they may be wrong together, for they
# share one idea of faces.
#
# The same from the command line, with a report:
#
# ```bash
# ganjax deblur me.jpg --output=out/deblur --degrade_first --degradation='blur(kernel_size=15, variance=7)'
# ganjax sweep me.jpg --output=out/sweep --degradation='blur(kernel_size=15, variance=7)' --sweep='blur.kernel_size=5,15,25; blur.variance=3,7,12'
# ganjax inpaint me.jpg --output=out/inpaint --degrade_first --mask=scratches.png --restarts=3
# ```
