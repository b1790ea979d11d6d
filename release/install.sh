#!/bin/sh
# Install seedless from this folder, without a network: ./install.sh [FOLDER]. It needs Python and its venv.
set -eu
folder=${1:-$HOME/.local/share/seedless}
case $folder in /*) ;; *) folder=$PWD/$folder;; esac
cd "$(dirname "$0")"
sha256sum --quiet --check SHA256SUMS
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links wheels \
    --require-hashes -r requirements.txt
mkdir -p "$folder/share/doc/seedless"
cp -R html/. "$folder/share/doc/seedless"
echo "installed: $folder/bin/seedless (manual: man $folder/share/man/man1/seedless.1, pages: $folder/share/doc/seedless/index.html)"
