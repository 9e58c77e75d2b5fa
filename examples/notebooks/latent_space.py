# %% [markdown]
# # Latent space
#
# What the latents of StyleGAN2 mean: truncation, style mixing, ways from one face to another in Z
# and in W, directions that change one thing, and what they cost in identity. All faces are drawn by
# the bundled generator (128 px); no photograph is needed. The notebook runs on Python 3.11 to 3.13,
# on a CPU or a GPU; on two CPU cores with other work to do it took 3 minutes.
#
# **On Colab**, upload or clone the folder `ganjax` into `/content`, choose a GPU runtime, and run
# the cells from the first one on. **At home**, start Jupyter in the clone.

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
SEEDS = [2, 5, 3, 8]  # the faces that are shown
PAIRS = 12  # of faces, between which paths are measured
FACES = 8  # that walks are measured on
SAMPLES = 2000  # latents for principal components and deviations
REACH = 3  # deviations that a walk goes each way, one step each

# %%
import io

import IPython.display
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import ganjax
from ganjax import editing, faces, inversion, report
from ganjax.pixels import to_float
from ganjax.runtime import compile_cache, devices
from ganjax.weights import load_classifier

devices.disable_cpu_fusion_emitters()
compile_cache.enable()  # what is compiled is kept for the next time

networks = ganjax.load()
generator = networks.generator
config = generator.config


def show(rows, captions=(), headings=(), labels=(), width=112):
  """Shows rows of pictures, uint8 [H, W, 3], as a JPEG, which keeps the notebook small."""
  captions = captions or [[''] * len(row) for row in rows]
  cells = [
    [report.Cell(picture, text) for picture, text in zip(*row, strict=True)]
    for row in zip(rows, captions, strict=True)
  ]
  file = io.BytesIO()
  drawn = report.sheet(cells, headings=headings, labels=labels, side=width)
  Image.fromarray(drawn).save(file, 'JPEG', quality=85)
  IPython.display.display(IPython.display.Image(file.getvalue()))


def draw(latents):
  """Latents of W or W+, in rows, as rows of pictures: [R, T, …] -> uint8 [R, T, H, W, 3]."""
  latents = np.asarray(latents)
  if latents.ndim == 3:  # one w for all layers
    latents = np.repeat(latents[:, :, None], config.num_ws, axis=2)
  pictures = editing.draw(generator, latents.reshape(-1, config.num_ws, config.w_dim))
  return pictures.reshape(*latents.shape[:2], *pictures.shape[1:])


def seeded(seeds):
  """The z of seeds, [N, z_dim]."""
  return np.stack([editing.seeded(seed, config.z_dim) for seed in seeds])


@jax.jit
def mapped(z, psi):
  """The w of a z."""
  return generator.mapping(z, psi=psi)[0]


def w_of(z, psi=0.7):
  """[N, z_dim] -> [N, w_dim]."""
  return np.stack([mapped(one, np.float32(psi)) for one in z])


def heat_map(values, rows, columns, title):
  """A table of numbers as colours."""
  return IPython.display.Image(report.heat_map(np.round(values, 2), rows, columns, title))


names = [f'seed {seed}' for seed in SEEDS]
shown = w_of(seeded(SEEDS))  # [N, w_dim]

# %% [markdown]
# ## 1. Truncation
#
# `psi` draws each w towards the average face, at 0 all the way.

# %%
levels = [0.0, 0.35, 0.7, 1.0, 1.3]
truncated = np.stack([w_of(seeded(SEEDS), psi) for psi in levels], axis=1)
show(draw(truncated), headings=[f'psi {psi:g}' for psi in levels], labels=names)

# %% [markdown]
# At 0 all seeds are one average face. At 0.7, which everything below uses, each is a person of its
# own. From 1 on they grow harsher: colours burn out, hair and mouths fall apart, since few
# photographs that the network learned from were as unusual.

# %% [markdown]
# ## 2. Style mixing
#
# In W+ every layer has a row of its own. Each picture has the rows of the first seed, but for those
# named above it, which are another seed's.

# %%
third = config.num_ws // 3
groups = {
  'coarse': range(third),
  'middle': range(third, 2 * third),
  'fine': range(2 * third, config.num_ws),
}
own = np.repeat(shown[:1], config.num_ws, axis=0)
mixed = []
for w in shown[1:]:
  other = np.repeat(w[None], config.num_ws, axis=0)
  row = [own]
  for layers in groups.values():
    swapped = own.copy()
    swapped[list(layers)] = w
    row.append(swapped)
  mixed.append([*row, other])
headings = [names[0], *(f'{name} {min(g)}–{max(g)}' for name, g in groups.items()), 'other']
show(draw(mixed), headings=headings, labels=names[1:])

# %% [markdown]
# The coarse rows bring the other's pose, shape of the face and expression; the middle ones skin,
# lips and light; the fine ones hardly a tint. This network draws 128 px: there is little left that
# only the last rows could say.

# %% [markdown]
# ## 3. Z against W
#
# Three ways from one face to another: the straight line and the arc in Z, the straight line in W.
# Captions are the perceptual distance (the discriminator's features) to the picture before.

# %%
STEPS = 8
shares = jnp.linspace(0, 1, STEPS + 1)
perceptual = ganjax.load_perceptual('discriminator', networks)


@jax.jit
def neighbours(images):
  """Perceptual distances between neighbours, [T, H, W, 3] -> [T - 1]."""
  return jax.lax.map(lambda pair: inversion.distance(perceptual, *pair), (images[:-1], images[1:]))


def paths(start, end):
  """From z to z: name -> w [T, w_dim]."""
  ends = w_of(np.stack([start, end]))
  return {
    'Z, linear': w_of(editing.interpolate(start, end, shares)),
    'Z, spherical': w_of(editing.interpolate(start, end, shares, 'spherical')),
    'W, linear': np.asarray(editing.interpolate(*ends, shares)),
  }


first = paths(*seeded(SEEDS[:2]))
pictures = draw(np.stack([*first.values()]))
lengths = np.stack([neighbours(to_float(row)) for row in pictures])
captions = [['', *(f'{length:.2f}' for length in row)] for row in lengths]
show(pictures, captions, labels=[*first], width=88)

# %% [markdown]
# The same over pairs of random faces: the sum of the steps, the largest one, and how far the middle
# of the path is from the average face, in shares of what its ends are.

# %%
z = np.random.default_rng(0).standard_normal((PAIRS, 2, config.z_dim), np.float32)
average = np.asarray(mapped(z[0, 0], np.float32(0)))
totals, largest, middles = [], [], []
for start, end in z:
  ws = np.stack([*paths(start, end).values()])  # [3, T, w_dim]
  lengths = np.stack([neighbours(to_float(row)) for row in draw(ws)])
  away = np.linalg.norm(ws - average, axis=2)
  totals.append(lengths.sum(axis=1))
  largest.append(lengths.max(axis=1))
  middles.append(away[:, STEPS // 2] / away[:, [0, -1]].mean(axis=1))
print(f'{"path":14}{"length":>16}{"largest step":>16}{"middle":>16}')
for i, name in enumerate(first):
  columns = [np.array(values)[:, i] for values in (totals, largest, middles)]
  texts = [f'{v.mean():.2f} ± {v.std() / len(v) ** 0.5:.2f}' for v in columns]
  print(f'{name:14}' + ''.join(f'{text:>16}' for text in texts))

# %% [markdown]
# The way through W is a fifth shorter, and its largest step about 30 % smaller. The last column
# says why: the mapping network scales every z to one length, so that a path through Z stays as far
# from the average face as its ends are, while the chord in W cuts through the milder faces in
# between. For the same reason the line and the arc in Z are about equally long; the arc's largest
# step is a little smaller. In W the steps are nearly equal.

# %% [markdown]
# ## 4. Directions
#
# The bundled directions are normals of linear support vector machines in W: three of plain
# measures of the face, one of its brightness, one of the bundled classifier's answer "under 21".
# Steps are deviations of random latents along the direction.

# %%
directions = editing.bundled_directions(config, networks.sha256)
steps = np.arange(-REACH, REACH + 1)
headings = [f'{step:+d}' for step in steps]


def walk(w, direction):
  """w [w_dim] -> [T, w_dim]."""
  return np.asarray(
    editing.traverse(w, direction.normal, jnp.asarray(steps * np.float32(direction.deviation)))
  )


labels = [direction.name for direction in directions]
show(
  draw([walk(shown[0], direction) for direction in directions]),
  headings=headings,
  labels=labels,
  width=88,
)

# %% [markdown]
# All five do what they are called. But none does only that. A brighter picture becomes a lighter
# skin, since the network cannot tell light from skin. *Smile* and *mouth_open* are nearly the same
# walk. *Turn* is the cleanest. At −3 *under21* has grown wrinkles and a beard; at +3 the man has
# become a young woman, because that is what the photographs with that answer look like more often.

# %% [markdown]
# ## 5. What a walk costs, and what else it changes
#
# Identity is the distance of dlib's descriptors to the face at step 0; dlib takes less than 0.6 for
# the same person. Means over a few faces.

# %%
attribute = load_classifier()
at = attribute.classes.index(attribute.target)  # of two


@jax.jit
def under21(image):
  """The classifier's log odds, [H, W, 3] -> a scalar."""
  logits = attribute.classifier(image)
  return logits[at] - logits[1 - at]


def measured(pictures):
  """The steps of a walk: identity distance to its middle, and what is seen in each picture."""
  found = [faces.detect_largest(picture) for picture in pictures]
  middle = found[len(found) // 2]
  marks = [middle if one is None else one for one in found]
  described = [faces.descriptor(*pair) for pair in zip(pictures, marks, strict=True)]
  identity = [np.linalg.norm(one - described[len(described) // 2]) for one in described]
  seen = [[*faces.appearance(*pair).values()] for pair in zip(pictures, marks, strict=True)]
  under = [under21(image) for image in to_float(pictures)]
  return np.array(identity), np.column_stack([seen, under])


walked = w_of(np.random.default_rng(1).standard_normal((FACES, config.z_dim), np.float32))
results = [
  [measured(pictures) for pictures in draw([walk(w, direction) for w in walked])]
  for direction in directions
]
identity = [np.mean([one[0] for one in row], axis=0) for row in results]
heat_map(identity, labels, headings, 'Identity distance to step 0')

# %% [markdown]
# And what changes along each direction: the slope per deviation of the walk, in deviations of that
# measure between the faces. Where row and column have one name is what was asked for; all else
# comes with it.

# %%
seen = np.array([[one[1] for one in row] for row in results])  # [directions, faces, T, measures]
middle = len(steps) // 2
spread = np.std(seen[:, :, middle], axis=(0, 1)) + 1e-6
slopes = np.polynomial.polynomial.polyfit(
  steps, seen.mean(axis=1).swapaxes(0, 1).reshape(len(steps), -1), 1
)
measures = [*faces.MEASURES, 'under21']
heat_map(slopes[1].reshape(len(directions), -1) / spread, labels, measures, 'Change per deviation')

# %% [markdown]
# One deviation costs 0.2 to 0.35, two 0.35 to 0.6. For four of the directions three deviations
# still show the same person to dlib, on average; *under21* is past 0.6 at +3. The second table:
# *turn* changes little else, and with *brightness* goes hardly more than the answer "under 21".
# *Mouth_open* widens the mouth more than it opens it, and *smile* opens it nearly as far: they are
# almost one direction. *Under21* shortens the face below the eyes, which is what a child's
# proportions are, and takes the smile away. With eight faces these are sketches;
# [docs/latent-space.md](../../docs/latent-space.md) has a study with intervals, and what is left of such a
# direction when another is projected out (`editing.conditional`).

# %% [markdown]
# ## 6. Directions without labels
#
# Principal components of random w (GANSpace), and what moves the styles most (SeFa). Neither knows
# what a face is.

# %%
z = np.random.default_rng(2).standard_normal((SAMPLES, config.z_dim), np.float32)
random_w = jax.jit(jax.vmap(lambda z: generator.mapping(z)[0]))(z)
found = {'PCA': editing.pca(random_w, 3), 'SeFa': editing.sefa(generator, 3)}
walks, labels_found = [], []
for name, components in found.items():
  for i, normal in enumerate(components.normals):
    unit = editing.deviation(random_w, normal)
    walks.append(editing.traverse(shown[0], normal, jnp.asarray(steps) * unit))
    labels_found.append(f'{name} {i + 1}')
show(draw(np.stack(walks)), headings=headings, labels=labels_found, width=88)

# %%
normals = np.concatenate([components.normals for components in found.values()])
cosines = normals @ np.stack([direction.normal for direction in directions]).T
heat_map(np.abs(cosines), labels_found, labels, 'How far they agree: |cosine|')

# %% [markdown]
# They find large changes, not single ones: age, sex, beard, glasses, skin, pose and background go
# together, because they do so in the data. SeFa's first is little but contrast. The largest cosines are
# those with *under21*; no component is one of the named directions. So what needs no labels shows
# what the network varies most, and a label is needed to ask for one thing.
#
# The same from the command line, for faces of your own:
#
# ```bash
# ganjax interpolate --seeds=2,5 --output=out/seeds
# ganjax direction --output=out/found --direction_methods=sefa,pca
# ganjax traverse --input=me.jpg --output=out/walks --directions=out/found/directions/pca_0.npz
# ```
