# Sourced by the other scripts: makes .venv with everything in the given requirements file, once.
# usage: source scripts/setup.sh requirements.txt      (PYTHON=python3.12 chooses the interpreter)

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Each of many processes would compile all modules anew: five seconds instead of two for JAX and Flax.
unset PYTHONDONTWRITEBYTECODE

supported='import sys; sys.exit(sys.version_info < (3, 11))'
if [ ! -x .venv/bin/python ]; then
  for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
    if "$candidate" -c "$supported" 2>/dev/null; then
      "$candidate" -m venv .venv
      break
    fi
  done
fi
if ! .venv/bin/python -c "$supported" 2>/dev/null; then
  echo "ganjax needs Python 3.11 or later: install it, or name it, as in PYTHON=python3.12 bash $0" >&2
  exit 1
fi

# The versions that are known to work hold where they were found out: CONSTRAINTS=none asks for the newest.
constraints=()
known='import sys; sys.exit(sys.version_info[:2] != (3, 11) or sys.platform != "linux")'
if [ "${CONSTRAINTS:-}" != none ] && .venv/bin/python -c "$known"; then
  constraints=(--constraint constraints.txt)
fi

# What was installed last, by content: a second run goes straight on, a changed file installs again.
wanted=$(cat requirements*.txt constraints.txt pyproject.toml <(echo "${CONSTRAINTS:-}") | cksum)
if [ "$(cat ".venv/installed-$1" 2>/dev/null)" != "$wanted" ]; then
  echo "Installing $1 into .venv (a few minutes the first time) …"
  # Python compiles the modules that are used, once; compiling all of them takes a minute.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable . \
    -r "$1" ${constraints[@]+"${constraints[@]}"}
  echo "$wanted" > ".venv/installed-$1"
fi
source .venv/bin/activate
