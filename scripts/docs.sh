#!/usr/bin/env bash
# Builds the documentation's site in site/; a warning or a link that leads nowhere fails it.
# usage: bash scripts/docs.sh [--serve]      (--serve shows it on http://localhost:8000)
source "$(dirname "$0")/setup.sh" requirements-docs.txt

python scripts/docs.py
if [ "${1:-}" = --serve ]; then
  exec zensical serve
fi
rm -rf site
status=0
said=$(zensical build --clean --strict 2>&1) || status=$?
echo "$said"
# What is wrong with a docstring is said, and does not fail the build by itself.
if [ "$status" != 0 ] || grep --quiet '^griffe: ' <<< "$said"; then
  echo 'the documentation has warnings' >&2
  exit 1
fi
echo "site: $PWD/site/index.html"
