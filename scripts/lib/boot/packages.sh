# Packages of other releases, made from the one that is tried. Sourced.
# shellcheck shell=bash

# own_version: the version that the package's program says it is.
# shellcheck disable=SC2154 # package is set by the script
own_version() { dpkg-deb --field "$package" Version | sed 's/-[^-]*$//'; }

# version_of NUMBER: the version of the release with that number instead of its first.
version_of() { printf '%s%s' "$1" "$(own_version | cut --characters=2-)"; }

# release_package NUMBER [KIND]: makes /NUMBER.deb in the clean system, of a later release. KIND: `good` (as the one it is made
# from), `ends` (its program ends at once with 1), `hangs` (its start never comes to an end), `stops` (nor does anything else that
# it is asked, from its first moment on).
release_package() {
    local number=$1 kind=${2:-good} work version
    version=$(version_of "$number")
    work=$(mktemp --directory)
    dpkg-deb --raw-extract "$package" "$work/package"
    sed -i "s/^Version: .*/Version: $version-1/" "$work/package/DEBIAN/control"
    local program=$work/package/usr/bin/gatehouse
    scripts/lib/boot/other-version "$program" "$(own_version)" "$version"
    case $kind in
        good) ;;
        ends)
            need_command cc "makes a program that fails" gcc libc6-dev
            cc -static -Os -DVERSION="\"$version\"" -o "$program" scripts/lib/boot/ends.c
            ;;
        hangs)
            need_command cc "makes a program that hangs" gcc libc6-dev
            mv "$program" "$work/package/usr/lib/gatehouse/the-program"
            cc -static -Os -o "$program" scripts/lib/boot/hangs.c
            cc -shared -fPIC -Os -o "$work/package/usr/lib/gatehouse/hang.so" scripts/lib/boot/hang.c
            ;;
        stops)
            need_command cc "makes a program that hangs at once" gcc libc6-dev
            cc -static -Os -o "$program" scripts/lib/boot/stops.c
            ;;
    esac
    # Nobody loads it from anywhere: to press it well would take a minute.
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/package" "$work/made.deb" >/dev/null
    as_root cp "$work/made.deb" "$root/$number.deb"
    rm --recursive --force "$work"
}
