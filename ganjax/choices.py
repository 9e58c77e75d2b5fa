"""What a person chooses by name, for the library and its command line alike; without JAX.

What each name does is told, and done, where it is used.
"""

from typing import Literal

Precision = Literal['auto', 'float32', 'tf32', 'bfloat16']  # `runtime.precision`
Align = Literal['auto', 'always', 'never']  # `faces.align`

# Where searches begin: at what an encoder makes of the image, at the average face, or at the former
# if there is an encoder; `weights.encoders`. Anything else names an encoder's file.
INIT_ENCODER, INIT_AVERAGE, INIT_AUTO = INITS = 'encoder', 'average', 'auto'

# What --latent_dist_reg_weight=auto tries: half decades around the tasks' own defaults.
WEIGHT_GRID = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
PriorLoss = Literal['l2', 'l1', 'kl']  # `inversion.deep_prior`
# Which step's picture is taken: the last one's; that at which the outputs vary least (Wang et al.
# 2021); or the first whose distance to the degraded picture is no larger than its noise (Morozov's
# discrepancy principle).
Stopping = Literal['last', 'variance', 'noise']

# 'z' [z_dim]: normal noise, before the mapping; 'w' [w_dim]: after it, the same for all layers;
# 'w_plus' [num_ws, w_dim]: one row for every layer.
EditingSpace = Literal['z', 'w', 'w_plus']  # `editing.sampling`

Norm = Literal['instance', 'batch']  # `models.unet`
Patch = Literal[1, 16, 34, 70, 142, 286]  # px; `models.patchgan`
GanLoss = Literal['lsgan', 'vanilla', 'hinge']  # `training.pix2pix.losses`
Blend = Literal['none', 'feather', 'poisson']  # `pix2pix.blending`
Order = Literal['ab', 'ba']  # of side-by-side pictures; a is the condition
Export = Literal['npz', 'png', 'pasted']  # `bulk.finalize`, `bulk.pasted`
