#!/bin/sh
# Runs the program of this name out of a Debian tree through the tree's own loader and libraries, so that it works
# on a machine with another libc. setup.sh puts this file in the program's place, and the program beside it.
set -eu
name=$(basename "$0")
tree=$(cd "$(dirname "$0")/../.." && pwd)
libraries=$tree/usr/lib/$(uname -m)-linux-gnu
# Libraries that the tree's configuration would find for its own programs.
more=$(find "$tree/usr/lib" -maxdepth 3 -name '*.so*' -printf '%h\n' | sort -u |
    grep -E 'pulse|blas|lapack|sane|openvdb|blender|gallium' | paste -sd:)
if [ "$name" = blender ]; then
    export BLENDER_SYSTEM_PYTHON="$tree/usr" BLENDER_SYSTEM_RESOURCES="$tree/usr/share/blender"
    export BLENDER_SYSTEM_SCRIPTS="$BLENDER_SYSTEM_RESOURCES/scripts"
    export BLENDER_SYSTEM_DATAFILES="$BLENDER_SYSTEM_RESOURCES/datafiles"
    export LIBGL_ALWAYS_SOFTWARE=1 LIBGL_DRIVERS_PATH="$libraries/dri" GBM_BACKENDS_PATH="$libraries/gbm"
    export __EGL_VENDOR_LIBRARY_DIRS="$tree/usr/share/glvnd/egl_vendor.d"
else
    export PYTHONHOME="$tree/usr"
fi
loader=$(find "$tree/lib64" "$tree/lib" "$libraries" -maxdepth 1 -name 'ld-linux*' 2>/dev/null | head -1)
exec "$loader" --library-path "$libraries:$tree/usr/lib:$more" "$tree/usr/bin/$name.program" "$@"
