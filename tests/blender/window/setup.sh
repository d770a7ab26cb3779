#!/bin/sh
# A real Blender 5.2 with a window, on a Debian or Ubuntu that packages an older one or none: setup.sh FOLDER
#
# Builds a Debian unstable tree (2 GB, a minute) in FOLDER, as root. FOLDER/usr/bin/blender then runs on this machine,
# and what it starts are ordinary processes of this machine. Needs the network.
set -eu
tree=$1
here=$(cd "$(dirname "$0")" && pwd)
[ -e "$tree/complete" ] && exit
export DEBIAN_FRONTEND=noninteractive
command -v debootstrap >/dev/null && command -v Xvfb >/dev/null || {
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends debootstrap xvfb
}
rm -rf "$tree"
mkdir -p "$tree"
debootstrap --variant=minbase sid "$tree"
# The unstable index is sometimes past its date.
chroot "$tree" apt-get -qq -o Acquire::Check-Valid-Until=false update
# Without its own libgl1 and libglx-mesa0, the tree's drivers meet the machine's loader and no window opens.
chroot "$tree" apt-get install -qq -y --no-install-recommends \
    blender python3-cattr python3-requests python3-certifi \
    libgl1 libglx-mesa0 libgl1-mesa-dri libegl1 libegl-mesa0
# Blender starts its Python to install extensions, so that needs the tree's loader too.
python=$(basename "$(readlink -f "$tree/usr/bin/python3")")
for program in blender "$python"; do
    mv "$tree/usr/bin/$program" "$tree/usr/bin/$program.program"
    cp "$here/through-loader.sh" "$tree/usr/bin/$program"
done
touch "$tree/complete"
