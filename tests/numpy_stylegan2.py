"""StyleGAN2's networks again, in NumPy and float64, as the papers write them.

Nothing is shared with the package but the parameters' names: every image's own modulated kernel,
zeros between pixels, filters as plain sums. Slow, and meant to be.
"""

import numpy as np

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def correlate(x, kernel, stride=1):
  """Valid cross-correlation: [..., H, W, C_in], [k, k, C_in, C_out] -> [..., h, w, C_out]."""
  k = kernel.shape[0]
  height, width = x.shape[-3] - k + 1, x.shape[-2] - k + 1
  y = sum(
    x[..., i : i + height, j : j + width, :] @ kernel[i, j] for i in range(k) for j in range(k)
  )
  return y[..., ::stride, ::stride, :]


def pad(x, before, after=None):
  after = before if after is None else after
  return np.pad(x, ((0, 0),) * (x.ndim - 3) + ((before, after), (before, after), (0, 0)))


def filtered(x, gain=1.0):
  return correlate(x, FILTER[:, :, None, None] * np.eye(x.shape[-1]) * gain)


def zeros_between(x):
  y = np.zeros((2 * x.shape[0], 2 * x.shape[1], x.shape[2]))
  y[::2, ::2] = x
  return y


def upsampled(x):
  return filtered(pad(zeros_between(x), 2, 1), 4.0)


def activated(x, gain=1.0):
  return np.where(x > 0, x, 0.2 * x) * np.sqrt(2) * gain


def linear(x, layer, multiplier=1.0):
  weight = layer['weight'] * multiplier / np.sqrt(layer['weight'].shape[0])
  return x @ weight + layer['bias'] * multiplier


def normalised(x):
  return x / np.sqrt(np.mean(x**2) + 1e-8)


def mapped(params, z):
  x = normalised(z)
  for i in range(len([name for name in params if name.startswith('fc')])):
    x = activated(linear(x, params[f'fc{i}'], 0.01))
  return x


def styled(layer, x, w, noise, up):
  style = linear(w, layer['affine'])
  kernel = layer['weight'] * style[None, None, :, None]
  kernel = kernel / np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)) + 1e-8)
  if up:  # a transposed convolution spreads the flipped kernel, so that it is a correlation again
    x = correlate(pad(zeros_between(x)[:-1, :-1], 2), kernel[::-1, ::-1])
    x = filtered(pad(x, 1), 4.0)
  else:
    x = correlate(pad(x, 1), kernel)
  return activated(x + noise[:, :, None] * layer['noise_strength'] + layer['bias'])


def to_rgb(layer, x, w):
  style = linear(w, layer['affine']) / np.sqrt(x.shape[2])
  return correlate(x, layer['weight'] * style[None, None, :, None]) + layer['bias']


def synthesised(params, ws, noise):
  """[num_ws, w_dim], {'b8.conv0': [8, 8]} -> [H, W, 3]."""
  x = image = None
  row = 0
  for name in sorted(params, key=lambda name: int(name[1:])):
    block = params[name]
    if x is None:
      x = block['const']
    else:
      x = styled(block['conv0'], x, ws[row], noise[f'{name}.conv0'], True)
      row += 1
    x = styled(block['conv1'], x, ws[row], noise[f'{name}.conv1'], False)
    row += 1
    rgb = to_rgb(block['torgb'], x, ws[row])
    image = rgb if image is None else upsampled(image) + rgb
  return image


def kernel_of(layer):
  return layer['weight'] / np.sqrt(np.prod(layer['weight'].shape[:3]))


def scores(params, images):
  """Of groups: [..., G, H, W, 3] -> [..., G]."""
  x = None
  for name in sorted(params, key=lambda name: -int(name[1:]))[:-1]:
    block = params[name]
    if x is None:
      x = activated(correlate(images, kernel_of(block['fromrgb'])) + block['fromrgb']['bias'])
    shortcut = correlate(filtered(pad(x, 1))[..., ::2, ::2, :], kernel_of(block['skip']))
    y = activated(correlate(pad(x, 1), kernel_of(block['conv0'])) + block['conv0']['bias'])
    y = correlate(filtered(pad(y, 2)), kernel_of(block['conv1']), 2) + block['conv1']['bias']
    x = (shortcut + activated(y)) / np.sqrt(2)
  deviation = np.sqrt(np.var(x, axis=-4, keepdims=True) + 1e-8)
  deviation = np.mean(deviation, axis=(-4, -3, -2, -1), keepdims=True)
  x = np.concatenate([x, np.broadcast_to(deviation, (*x.shape[:-1], 1))], axis=-1)
  last = params['b4']
  y = activated(correlate(pad(x, 1), kernel_of(last['conv'])) + last['conv']['bias'])
  y = activated(linear(y.reshape(*y.shape[:-3], -1), last['fc']))
  return linear(y, last['out'])[..., 0]


def softplus(x):
  return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def slope(function, x, step=1e-5):
  """The gradient of a scalar function by central differences."""
  gradient = np.zeros_like(x)
  for place in np.ndindex(x.shape):
    moved = x.copy()
    moved[place] += step
    up = function(moved)
    moved[place] -= 2 * step
    gradient[place] = (up - function(moved)) / (2 * step)
  return gradient


def slope_at_once(function, x, step=1e-5):
  """`slope` for a function that maps [..., *x.shape] to [...]."""
  moves = step * np.eye(x.size).reshape(x.size, *x.shape)
  return ((function(x + moves) - function(x - moves)) / (2 * step)).reshape(x.shape)
