#!/usr/bin/env bash
# Restores the bundled photograph by every restoration task, and prints where the report is.
# usage: bash scripts/demo.sh [folder [--flag=value …]]    (default: demo_output; flags for ganjax)
output=$(realpath -m "${1:-demo_output}")
source "$(dirname "$0")/setup.sh" requirements.txt

for task in deblur colorize inpaint super_resolve denoise dejpeg; do
  python -m ganjax --task="$task" --input=scripts/demo/astronaut.png --output="$output/$task" --degrade_first "${@:2}"
done
python -m ganjax --task=report --input="$output"
