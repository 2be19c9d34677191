#!/bin/sh
# Installs what Qt, OpenGL and a screenless X server need on Debian, if this is root; else says what is missing.
# Argument: the Python that will make the virtual environment.
set -eu

python=${1:?usage: system-packages.sh PYTHON}
wanted="xvfb xauth libgl1 libegl1 libgl1-mesa-dri libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1
libglib2.0-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
libxcb-shape0 libxcb-xkb1 libx11-xcb1 fonts-dejavu-core"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "Not a Debian system: nothing to install. Tests of the window need Xvfb, or a display."
    exit 0
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    wanted="$wanted python3-venv"
fi

installed() {
    dpkg-query -W -f='${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed$' && return 0
    # Newer Debian and Ubuntu renamed some libraries (64-bit time): the new name will do.
    dpkg-query -W -f='${Status}\n' "$1t64" 2>/dev/null | grep -q '^install ok installed$'
}

missing=""
for package in $wanted; do
    installed "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "System packages: all there."
    exit 0
fi
if [ "$(id -u)" -eq 0 ]; then
    echo "System packages: installing$missing"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
    exit 0
fi
echo "System packages missing:$missing"
echo "Install them with: sudo apt-get update && sudo apt-get install --no-install-recommends$missing"
case "$missing" in
*python3-venv*) exit 1 ;;
esac
