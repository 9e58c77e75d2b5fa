#!/usr/bin/env bash
# Runs the whole test suite, slow tests included. Arguments go to pytest: bash scripts/test.sh -m 'not slow'
source "$(dirname "$0")/setup.sh" requirements-dev.txt
exec python -m pytest --numprocesses=auto --dist=loadscope --no-loadscope-reorder "$@"
