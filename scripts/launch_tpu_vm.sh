#!/usr/bin/env bash
# Inverts a data set on a Cloud TPU slice: create → install → run on all workers → collect → delete.
#
#   PROJECT=my-project ZONE=us-west4-a TYPE=v5litepod-16 BUCKET=gs://my-bucket/faces-inverted \
#     bash scripts/launch_tpu_vm.sh --input=gs://my-bucket/faces --num_steps=500
#
# The arguments are ganjax's own; --task, --output, --distributed and --batch_size are set here
# (--batch_size=auto unless it is among them). DRY_RUN=1 prints the commands without running them.
#
# What it costs. A slice is billed by chip and second from `create` to `delete`, whatever it does;
# SPOT=1 is a fraction of the price and may be taken away at any time: run this script again, with
# the same variables, and what is done is not done again. Before a large run, let one worker tell
# how long it takes: `--dry_run --shard_count=<number of workers>` prints the shard's pictures, the
# memory of a batch, a measured step, and the time that follows. Chip-hours = pictures × steps ×
# seconds per step of a batch ÷ batch size ÷ 3600.
#
# How large a batch. --batch_size=auto compiles the program for one picture and for two, and takes
# as many as fit into 90 % of a chip's memory; --remat makes each much smaller at a third more work,
# --precision=bfloat16 halves it. A batch also bounds what an interruption loses: that many pictures,
# since finished ones are kept. --block_size bounds what a killed machine loses.
set -euo pipefail

: "${PROJECT:?set PROJECT to the Google Cloud project}" "${ZONE:?set ZONE, such as us-west4-a}"
: "${TYPE:?set TYPE, such as v5litepod-16}" "${BUCKET:?set BUCKET to a gs:// folder for the results}"
name=${NAME:-ganjax-bulk}
version=${VERSION:-v2-alpha-tpuv5-lite}
cd "$(dirname "$0")/.."

run() {
  if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@" && echo; else "$@"; fi
}
tpu() {
  local verb=$1
  shift
  run gcloud compute tpus tpu-vm "$verb" "$name" --project="$PROJECT" --zone="$ZONE" --quiet "$@"
}
on_all_workers() {
  tpu ssh --worker=all --command="$1"
}

if [ -n "${DRY_RUN:-}" ] || ! gcloud compute tpus tpu-vm describe "$name" --project="$PROJECT" --zone="$ZONE" >/dev/null 2>&1; then
  tpu create --accelerator-type="$TYPE" --version="$version" ${SPOT:+--spot}
fi

# Whatever happens from here on, the slice does not go on costing money, unless KEEP=1.
finish() {
  if [ -z "${KEEP:-}" ]; then tpu delete; fi
}
trap finish EXIT

archive=$(mktemp -d)/ganjax.tar.gz
run git archive --format=tar.gz --output="$archive" HEAD
tpu scp "$archive" :ganjax.tar.gz --worker=all
# The image's own Python is older than 3.11.
on_all_workers 'mkdir -p ganjax && tar -xzf ganjax.tar.gz -C ganjax && cd ganjax &&
  { command -v python3.11 >/dev/null || sudo apt-get install --quiet --yes python3.11 python3.11-venv; } &&
  { [ -d .venv ] || python3.11 -m venv .venv; } &&
  .venv/bin/pip install --quiet "jax[tpu]" gcsfs --editable .'

# Every worker writes blocks of its own, whose names it shares with no other: before the run each
# fetches what earlier runs finished, afterwards all of it is joined in the bucket.
flags=$(printf '%q ' --batch_size=auto "$@" --task=bulk --output=out --distributed)
status=0
on_all_workers "cd ganjax && mkdir -p out && { gcloud storage rsync --recursive $(printf '%q' "$BUCKET") out || true; } &&
  JAX_COMPILATION_CACHE_DIR=~/.cache/jax .venv/bin/python -m ganjax $flags; code=\$?
  gcloud storage rsync --recursive --exclude='(^|/)\\.ganjax/(scratch|locks|lock)' out $(printf '%q' "$BUCKET"); exit \$code" || status=$?

# One worker makes a data set of all parts (it says so if some are missing).
tpu ssh --worker=0 --command="cd ganjax && gcloud storage rsync --recursive $(printf '%q' "$BUCKET") out &&
  .venv/bin/python -m ganjax --task=bulk --finalize --output=out $(printf '%q ' "$@") &&
  gcloud storage rsync --recursive --exclude='(^|/)\\.ganjax/(scratch|locks|lock)' out $(printf '%q' "$BUCKET")" || status=$?
exit "$status"
