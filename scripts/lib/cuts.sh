# Power cuts while the package is installed, upgraded, removed and purged. Sourced by scripts/test-package.
#
# The clean system lies on a file system of its own (ext4 in a file). At an instant of the work that file system is shut
# down as a power cut would do it: what has not reached the disk by then is gone, its journal is replayed at the next mount
# (EXT4_IOC_SHUTDOWN without flushing, as the tests of Linux' own file systems do it). Then everything that ran is killed.
# shellcheck shell=bash

# Bytes of the disk: a clean Debian with the package, twice over.
disk_bytes=1500M

# cuts_disk FILE DIRECTORY: makes a disk with the content of the directory.
cuts_disk() {
    as_root truncate --size="$disk_bytes" "$1"
    # Flushed often, as a small system with a journal in order is; what is not flushed is what the cut takes.
    as_root mkfs.ext4 -q -d "$2" "$1" || die "no disk could be made of $2" "It needs e2fsprogs and room in $cuts."
}

# cuts_mount FILE: mounts it as the clean system. A journal of before a cut is replayed.
cuts_mount() {
    loop=$(as_root losetup --find --show "$1") || die "there is no loop device for $1" "See losetup --list."
    as_root mount "$loop" "$cuts/root" || die "the disk $1 cannot be mounted" "The message is above."
    root=$cuts/root
}

cuts_unmount() {
    # Nothing is left to be written then, even where another program's view of the mounts holds this one for a while.
    as_root sync --file-system "$cuts/root" 2>/dev/null || true
    as_root umount "$cuts/root" || die "the disk could not be unmounted" "Something still uses it: fuser -vm $cuts/root"
    as_root losetup --detach "$loop"
    root='' loop=''
}

# cuts_copy FILE: makes `$cuts/disk` a copy of the disk. It is another file each time: a device that is still held would keep
# in memory what never reached the disk.
cuts_copy() {
    as_root cp --sparse=always "$1" "$cuts/copy"
    as_root mv "$cuts/copy" "$cuts/disk"
}

# cut_power: nothing reaches the disk from now on, and nothing that waited to.
cut_power() {
    # 0x8004587d is _IOR('X', 125, __u32); 2 is EXT4_GOING_FLAGS_NOLOGFLUSH.
    as_root python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))' "$cuts/root"
}

# work_on DISK COMMAND...: begins a command in the clean system on a copy of this disk, in a world of its own that ends
# whole. Sets `worker`.
work_on() {
    local disk=$1
    shift
    cuts_copy "$disk"
    cuts_mount "$cuts/disk"
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" && mount -t tmpfs tmpfs "$0/run" &&
            exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb \
                DEBIAN_FRONTEND=noninteractive "$@"' "$root" "$@" </dev/null >"$cuts/work.log" 2>&1 &
    worker=$!
}

# kept: whether the configuration and the data of the house are those of before.
kept() {
    in_root grep --quiet '^# kept$' /etc/gatehouse/gatehouse.toml &&
        in_root setpriv --reuid=gatehouse --regid=gatehouse --init-groups \
            gatehouse user list --data-dir /var/lib/gatehouse | grep '^ana[[:space:]]' >/dev/null
}

# starts: the daemon starts on what there is, is healthy, and ends.
starts() {
    # What systemd would make (StateDirectory=).
    in_root install --directory --owner=gatehouse --group=gatehouse --mode=0700 /var/lib/gatehouse
    # A failure ends what it is in, and here this is not the whole script.
    (daemon_round) >/dev/null 2>"$cuts/round.log" || { cat "$cuts/round.log" >&2; return 1; }
}

# finish_work KIND: what a person does after the power is back: lets dpkg finish, and does the same again.
finish_work() {
    in_root dpkg --configure -a
    case $1 in
        install) in_root dpkg --install /gatehouse.deb ;;
        upgrade) in_root dpkg --install /next.deb ;;
        remove) in_root dpkg --remove gatehouse ;;
        purge) in_root dpkg --purge gatehouse ;;
    esac
}

# check_after KIND STAGE: what must hold after a cut (`cut`, before anybody did anything) and at the end (`end`).
check_after() {
    case $1-$2 in
        install-cut | purge-cut) ;;
        remove-cut)
            [[ -e $root/etc/gatehouse/gatehouse.toml && -e $root/var/lib/gatehouse/gatehouse.db ]]
            ;;
        upgrade-cut) kept && starts ;;
        install-end) starts ;;
        upgrade-end) kept && starts ;;
        remove-end) [[ ! -e $root/usr/bin/gatehouse && -e $root/var/lib/gatehouse/gatehouse.db ]] ;;
        purge-end)
            ! in_root getent passwd gatehouse >/dev/null && [[ ! -e $root/var/lib/gatehouse && ! -e $root/etc/gatehouse ]]
            ;;
    esac
}

# cut_at KIND DISK DELAY: does the work, cuts it after so many seconds, and looks at what is left.
cut_at() {
    local kind=$1 disk=$2 delay=$3 ended=''
    shift 3
    work_on "$disk" "$@"
    sleep "$delay"
    kill -0 "$worker" 2>/dev/null || ended=yes
    cut_power
    as_root pkill --signal KILL --parent "$worker" 2>/dev/null || true
    wait "$worker" 2>/dev/null || true
    cuts_unmount
    cuts_copy "$cuts/disk"
    cuts_mount "$cuts/disk"
    check_after "$kind" cut || die "after a power cut $delay s into the $kind, the system is not as it must be" \
        "The disk as it was left: $cuts/disk. The work said: $(tail -n 3 "$cuts/work.log")"
    finish_work "$kind" >"$cuts/finish.log" 2>&1 || die "the $kind that was cut after $delay s could not be finished" \
        "$(tail -n 20 "$cuts/finish.log")"
    check_after "$kind" end || die "a $kind that was cut after $delay s and done again did not end well" \
        "The disk as it was left: $cuts/disk. It said: $(tail -n 5 "$cuts/finish.log")"
    cuts_unmount
    [[ -n $ended ]] || inside=$((inside + 1))
}

# step_cuts: cuts each kind of work at $cuts_wanted instants, spread over it, with a seed that is told.
# shellcheck disable=SC2154 # release, architecture, package and base_keeps_days are set by the script
step_cuts() {
    local kind disk instant delay took begin inside worker
    need_apt "makes disks for power cuts" e2fsprogs
    need_command python3 "shuts a file system down" python3
    cuts=$(as_root mktemp --directory)
    as_root mkdir "$cuts/root"
    RANDOM=$cuts_seed
    # The clean system with all that the package depends on, and the next release of it.
    clean_root_make "$release" "$architecture" "$base_keeps_days"
    as_root cp "$package" "$root/gatehouse.deb"
    next_package "$package" +next "$root/next.deb"
    apt_in_root update
    apt_in_root install /gatehouse.deb
    apt_in_root purge gatehouse
    as_root rm --recursive --force "$root/var/lib/apt/lists" "$root/var/cache/apt"
    cuts_disk "$cuts/clean" "$root"
    clean_root_remove
    # The same with a house that is lived in.
    as_root cp --sparse=always "$cuts/clean" "$cuts/lived-in"
    cuts_mount "$cuts/lived-in"
    in_root dpkg --install /gatehouse.deb >/dev/null
    starts
    in_root sh -c 'echo "# kept" >>/etc/gatehouse/gatehouse.toml'
    # shellcheck disable=SC2016 # expanded in the root
    in_root sh -c 'echo "lamp in the window" | setpriv --reuid=gatehouse --regid=gatehouse --init-groups \
        gatehouse user add ana --role admin --password-stdin --data-dir /var/lib/gatehouse' >/dev/null
    expect "the house before the cuts is lived in" kept
    cuts_unmount
    for kind in install upgrade remove purge; do
        case $kind in
            install) disk=$cuts/clean && set -- dpkg --install /gatehouse.deb ;;
            upgrade) disk=$cuts/lived-in && set -- dpkg --install /next.deb ;;
            remove) disk=$cuts/lived-in && set -- dpkg --remove gatehouse ;;
            purge) disk=$cuts/lived-in && set -- dpkg --purge gatehouse ;;
        esac
        begin=$(date +%s%N)
        work_on "$disk" "$@"
        wait "$worker" || die "the $kind fails without a cut" "$(tail -n 20 "$cuts/work.log")"
        took=$((($(date +%s%N) - begin) / 1000000))
        cuts_unmount
        inside=0
        for ((instant = 0; instant < cuts_wanted; instant++)); do
            delay=$((took * instant / cuts_wanted + RANDOM % (took / cuts_wanted + 1)))
            cut_at "$kind" "$disk" "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))" "$@"
        done
        note "✓ $kind, which takes $took ms: cut at $cuts_wanted instants ($inside before its end), and all ended well (seed $cuts_seed)"
    done
    cuts_remove
}

# cuts_remove: takes the disks away, when there are any.
cuts_remove() {
    [[ -n $cuts ]] || return 0
    ! mountpoint --quiet "$cuts/root" || as_root umount --lazy "$cuts/root"
    [[ -z $loop ]] || as_root losetup --detach "$loop" || true
    as_root rm --recursive --force "$cuts"
    cuts='' root=''
}

cuts='' loop='' cuts_wanted=0 cuts_seed=1
