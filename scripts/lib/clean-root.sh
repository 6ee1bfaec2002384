# A clean Debian system in a directory, entered with chroot. Sourced; sets `root` to its path once it is made.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/apt.sh
source "${BASH_SOURCE[0]%/*}/apt.sh"

root=''

# debian_sources RELEASE: this machine's own apt sources, those of Debian alone, as lines for a sources.list of that release.
debian_sources() {
    local own
    # shellcheck source=/dev/null
    own=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    # shellcheck disable=SC2016 # the names with dollar signs are apt-get's
    apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sed -n 's/^\(Debian\|Raspbian\) deb/deb/p' | sort --unique | sed "s| $own| $1|"
}

# need_foreign_programs ARCHITECTURE: lets this kernel run the architecture's programs, through qemu-user.
need_foreign_programs() {
    local registry=/proc/sys/fs/binfmt_misc name machine class
    case $1 in
        "$(dpkg --print-architecture)") return 0 ;;
        # The head of an ELF file: its class (1: 32 bits, 2: 64), and the number of its machine.
        arm64) name=qemu-aarch64 class='\x02' machine='\xb7' ;;
        armhf) name=qemu-arm class='\x01' machine='\x28' ;;
        *) die "programs for $1 cannot be run here" "Only those for arm64 and armhf can, through qemu-user." ;;
    esac
    [[ -e $registry/register ]] || as_root mount -t binfmt_misc none "$registry" ||
        die "this kernel has no binfmt_misc" "Running programs for $1 needs it."
    [[ ! -e $registry/$name ]] || return 0
    need_apt "runs programs for $1" qemu-user-static
    # Its installation registers them where the system is an ordinary one; in a container nobody does.
    [[ ! -e $registry/$name ]] || return 0
    # F: the kernel opens the interpreter now, and has it for all directories. Little-endian, executable or shared object.
    printf '%s' ":$name:M::\x7fELF$class\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00$machine\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/$name-static:OCF" |
        as_root tee "$registry/register" >/dev/null || die "programs for $1 cannot be registered" "See $registry."
}

# base_make SOURCES RELEASE ARCHITECTURE FILE: a minimal Debian as a tar file.
base_make() {
    printf '%s\n' "$1" | as_root mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates \
        --architectures="$3" "$2" "$4" - >&2
}

# clean_root_make RELEASE ARCHITECTURE DAYS: makes the directory from a base system that is kept for DAYS in the user's
# cache directory.
clean_root_make() {
    local release=$1 architecture=$2 base sources
    need_apt "makes a clean Debian system" mmdebstrap arch-test
    need_foreign_programs "$architecture"
    base=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse/roots/$release-$architecture.tar
    # A fresh machine has no lists yet, and without them apt does not know the origin of its sources.
    sources=$(debian_sources "$release")
    [[ -n $sources ]] || { apt_get update && sources=$(debian_sources "$release"); }
    [[ -n $sources ]] || die "apt names no source of Debian packages" "Check /etc/apt/sources.list and sources.list.d."
    if [[ -z $(find "$base" -mtime "-$3" 2>/dev/null) ]]; then
        say "Fetching a clean $release system for $architecture (once in $3 days; it is kept in $base)"
        mkdir -p "${base%/*}"
        # A mirror that is being renewed has lists of updates that do not fit together, sometimes for one architecture alone.
        base_make "$sources" "$release" "$architecture" "$base.part" || {
            warn "once more, without the updates: the lists of the mirror may not fit together just now"
            base_make "$(grep " $release main" <<<"$sources")" "$release" "$architecture" "$base.part"
        } || die "the clean system was not made" "The message is above. It needs the mirror that apt uses."
        as_root mv "$base.part" "$base"
    fi
    root=$(as_root mktemp --directory)
    as_root chmod 0755 "$root"
    as_root tar --extract --file "$base" --directory "$root" --numeric-owner
    as_root cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
}

# in_root COMMAND...: runs a command there, as root. Its mounts are its own and vanish with it.
in_root() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root unshare --mount sh -c '
        mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" &&
            exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb \
                DEBIAN_FRONTEND=noninteractive http_proxy="$http_proxy" https_proxy="$https_proxy" "$@"' "$root" "$@"
}

# clean_root_remove: removes the directory, when there is one.
clean_root_remove() {
    [[ -n $root ]] || return 0
    as_root rm --recursive --force --one-file-system "$root"
    root=''
}
