# A clean Debian system in a directory, entered with chroot. Sourced; sets `root` to its path once it is made.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/apt.sh
source "${BASH_SOURCE[0]%/*}/apt.sh"

root=''

# debian_sources: this machine's own apt sources, those of Debian alone, as lines for a sources.list.
debian_sources() {
    # shellcheck disable=SC2016 # the names with dollar signs are apt-get's
    apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sed -n 's/^\(Debian\|Raspbian\) deb/deb/p' | sort --unique
}

# clean_root_make DAYS: makes the directory from a base system that is kept for DAYS in the user's cache directory.
clean_root_make() {
    need_apt "makes a clean Debian system" mmdebstrap
    local release architecture base sources
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    architecture=$(dpkg --print-architecture)
    base=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse/roots/$release-$architecture.tar
    # A fresh machine has no lists yet, and without them apt does not know the origin of its sources.
    sources=$(debian_sources)
    [[ -n $sources ]] || { apt_get update && sources=$(debian_sources); }
    [[ -n $sources ]] || die "apt names no source of Debian packages" "Check /etc/apt/sources.list and sources.list.d."
    if [[ -z $(find "$base" -mtime "-$1" 2>/dev/null) ]]; then
        say "Fetching a clean $release system (once in $1 days; it is kept in $base)"
        mkdir -p "${base%/*}"
        printf '%s\n' "$sources" |
            as_root mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates "$release" "$base.part" - >&2 ||
            die "the clean system was not made" "The message is above. It needs the mirror that apt uses."
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
