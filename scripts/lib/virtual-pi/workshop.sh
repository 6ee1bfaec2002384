# The workshop: a Debian 12 system in a directory, with QEMU 10 and the cross compilers. Sourced.
#
# Everything of the rigs is built and run in there, so that this machine gets no foreign architecture, no backports and
# no other QEMU than it has.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/../say.sh"
# shellcheck source=scripts/lib/apt.sh
source "${BASH_SOURCE[0]%/*}/../apt.sh"

# All that the rigs keep; it can be removed at any time, and is made again.
rig_cache=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse/virtual-pi
workshop=$rig_cache/workshop
release=bookworm

# qemu-user runs the package scripts of the arm64 system while it is made.
workshop_packages=(
    mount mmdebstrap arch-test ca-certificates e2fsprogs kmod cpio xz-utils device-tree-compiler python3-minimal
    make gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    qemu-system-arm qemu-system-x86 qemu-user
    openssh-client mosquitto-clients curl jq
)

# debian_mirrors: the Debian mirrors that this machine's apt uses, the archive first, then the one of security updates.
debian_mirrors() {
    # shellcheck disable=SC2016 # the names with dollar signs are apt-get's
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 'Codename: '"$1" |
        sed -n 's/^Debian [^ ]* //p' | head -n 1
}

# workshop_sources: the lines of its sources.list.
workshop_sources() {
    local archive security
    archive=$(debian_mirrors "$release")
    security=$(debian_mirrors "$release-security")
    [[ -n $archive ]] || die "apt names no mirror of Debian $release" \
        "The rigs are built from Debian 12's packages; check /etc/apt/sources.list and sources.list.d."
    printf 'deb %s %s main\n' "$archive" "$release" "$archive" "$release-updates" "$archive" "$release-backports"
    [[ -z $security ]] || printf 'deb %s %s main\n' "$security" "$release-security"
}

# need_workshop: makes the directory when it is missing, or when the list of its packages has changed.
need_workshop() {
    ((EUID == 0)) || die "the rigs need root" "Their systems are made with chroot. Start this script with sudo."
    local wanted sources
    wanted="$release ${workshop_packages[*]}"
    mkdir -p "$rig_cache"
    if [[ $(cat "$workshop.stamp" 2>/dev/null) != "$wanted" ]]; then
        need_apt "makes a clean Debian system" mmdebstrap
        sources=$(workshop_sources)
        say "Making the rigs' workshop, 1.2 GB, with QEMU and the cross compilers (once, one to three minutes)"
        note "$workshop"
        rm --recursive --force --one-file-system "$workshop"
        # The link: mmdebstrap looks for the interpreter by its former name.
        # QEMU 10 drives the I2C of a Pi 3B; that of Debian 12 itself, 7.2, does not.
        # shellcheck disable=SC2016 # expanded by mmdebstrap's shell
        printf '%s\n' "$sources" | mmdebstrap --quiet --variant=apt --architectures=amd64,arm64 \
            --include="$(IFS=,; printf '%s' "${workshop_packages[*]}")" \
            --setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
            --setup-hook='printf "Package: src:qemu src:seabios\nPin: release n=*-backports\nPin-Priority: 600\n" >"$1/etc/apt/preferences.d/qemu"' \
            --customize-hook='ln -s qemu-aarch64 "$1/usr/bin/qemu-aarch64-static"' \
            "$release" "$workshop" - >&2 || die "the workshop was not made" "The message is above. It needs the mirror that apt uses."
        mkdir -p "$workshop/rig" "$workshop/project"
        printf '%s\n' "$wanted" >"$workshop.stamp"
    fi
    need_foreign_programs
}

# need_foreign_programs: lets this kernel run arm64 programs, which it does through qemu-user.
need_foreign_programs() {
    local registry=/proc/sys/fs/binfmt_misc
    [[ -e $registry/register ]] || mount -t binfmt_misc none "$registry" ||
        die "this kernel has no binfmt_misc" "Making the arm64 system needs it."
    [[ ! -e $registry/qemu-aarch64 ]] || return 0
    # The head of a 64-bit little-endian ELF file for machine 183, executable or shared object. F: the kernel opens the
    # interpreter now, in the workshop, and has it for all directories.
    # shellcheck disable=SC2016 # expanded in the workshop
    in_workshop sh -c 'mountpoint -q "$0" || mount -t binfmt_misc none "$0"; printf %s "$1" >"$0/register"' "$registry" \
        ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64:OCF' ||
        die "arm64 programs cannot be registered" "See $registry."
}

# in_workshop COMMAND...: runs a command in the workshop, as root, in /rig, which is the cache; the checkout is /project.
in_workshop() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount sh -c '
        mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev" &&
            mount --bind "$1" "$0/rig" && mount --bind "$2" "$0/project" && mount -t tmpfs tmpfs "$0/tmp" || exit 125
        cp --dereference /etc/resolv.conf "$0/etc/resolv.conf"
        root=$0; shift 2
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb HOME=/root \
            DEBIAN_FRONTEND=noninteractive http_proxy="$http_proxy" https_proxy="$https_proxy" \
            sh -c "cd /rig && exec \"\$@\"" - "$@"' "$workshop" "$rig_cache" "$PWD" "$@"
}
