"""What compiled programs cost, and how TPU arrays are padded."""

import jax
import jax.numpy as jnp
import pytest

from ganjax.runtime import costs

PROGRAM = """
HloModule jit_advance

%fused_computation (p: bf16[4,1024,1024,32]) -> bf16[4,1024,1024,32] {
  ROOT %inner = bf16[4,1024,1024,32]{3,2,1,0:T(8,128)(2,1)} add(%p, %p)
}

%region_1.body (arg: f32[4,1024,1024]) -> f32[4,1024,1024] {
  %arg = f32[4,1024,1024]{2,1,0:T(8,128)} parameter(0)
  %maps = f32[4,1024,1024]{0,2,1:T(8,128)} copy(%arg)
  ROOT %back = f32[4,1024,1024]{2,1,0:T(8,128)} copy(%maps)
}

ENTRY %main () -> bf16[4,1024,1024,32] {
  %a = bf16[4,1024,1024,32]{3,2,1,0:T(8,128)(2,1)} fusion(%b), calls=%fused_computation
  %tiny = f32[8]{0:T(128)} add(%c, %c)
  %sum = f32[4,8,128]{2,1,0:T(8,128)} all-reduce(%d), to_apply=%add
}
"""


def test_arrays_are_told_with_their_padding():
  found = costs.padded_arrays(PROGRAM)
  assert [(a.name, a.factor, a.bytes >> 20, a.times) for a in found] == [
    ('bf16[4,1024,1024,32]{3,2,1,0}', 4.0, 1024, 1),
    ('f32[4,1024,1024]{0,2,1}', 32.0, 512, 1),  # four images in 128 lanes
    ('f32[4,1024,1024]{2,1,0}', 1.0, 16, 1),
  ]


GPU_PROGRAM = """
HloModule jit_advance

%fused_add (p: bf16[4,64,64,8]) -> bf16[4,64,64,8] {
  ROOT %inner = bf16[4,64,64,8]{3,2,1,0} add(%p, %p)
}

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%body (arg: (bf16[4,64,64,8], f32[4])) -> (bf16[4,64,64,8], f32[4]) {
  %arg = (bf16[4,64,64,8]{3,2,1,0}, f32[4]{0}) parameter(0)
  %x = bf16[4,64,64,8]{3,2,1,0} get-tuple-element(%arg), index=0
  %y = bf16[4,64,64,8]{3,2,1,0} fusion(%x), kind=kLoop, calls=%fused_add
  %conv = (bf16[4,64,64,8]{3,2,1,0}, u8[100]{0}) custom-call(%y, %k), custom_call_target="conv"
  %z = f32[4]{0} reduce(%y, %zero), dimensions={1,2,3}, to_apply=%add
  ROOT %both = (bf16[4,64,64,8]{3,2,1,0}, f32[4]{0}) tuple(%y, %z)
}

ENTRY %main (x: bf16[4,64,64,8]) -> bf16[4,64,64,8] {
  %loop = (bf16[4,64,64,8]{3,2,1,0}, f32[4]{0}) while(%start), condition=%cond, body=%body
}
"""


def test_traffic_is_what_instructions_read_and_write_outside_of_fusions():
  image = 4 * 64 * 64 * 8 * 2
  # The fusion reads and writes one, so does the convolution, the sum reads one.
  assert costs.traffic(GPU_PROGRAM) == 5 * image + 100 + 4 * 4


def test_collectives_are_counted():
  assert costs.collectives(PROGRAM) == 1
  assert costs.collectives(PROGRAM.replace('all-reduce', 'add')) == 0


def test_the_compiler_counts_products_and_traffic():
  a = jnp.ones((64, 64))
  cost = costs.Cost.of(jax.jit(lambda a: a @ a).lower(a).compile())
  assert cost.flops == pytest.approx(2 * 64**3, rel=0.05)
  assert cost.bytes >= 2 * a.nbytes
  limits = costs.Limits(flops=cost.flops, bandwidth=cost.bytes / 2)
  assert cost.seconds(limits) == 2.0


def test_a_device_has_limits():
  limits = costs.measured_limits(side=64)
  assert limits.flops > 1e6
  assert limits.bandwidth > 1e6
