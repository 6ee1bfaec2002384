# A package under a higher version, for the trials of upgrades. Sourced, not run.
# shellcheck shell=bash

# next_package PACKAGE SUFFIX DESTINATION [COMMAND...]: the same package with SUFFIX behind its version. COMMAND, if there is one,
# runs before it is packed again, with the directory of its files as its last argument.
next_package() {
    local package=$1 suffix=$2 destination=$3 directory
    shift 3
    directory=$(mktemp --directory)
    dpkg-deb --raw-extract "$package" "$directory/package"
    sed -i "s/^Version: .*/&$suffix/" "$directory/package/DEBIAN/control"
    (($# == 0)) || "$@" "$directory/package"
    # Quickly made rather than small: it is installed once.
    dpkg-deb --root-owner-group -Zxz -z1 --build "$directory/package" "$directory/next.deb" >/dev/null
    as_root mv "$directory/next.deb" "$destination"
    rm --recursive --force "$directory"
}
