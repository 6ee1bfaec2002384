# Power cuts in all that is done to a gateway that is not running: its package is installed, upgraded, removed and purged, a newer
# release starts for the first time, and the older one comes back. Sourced by scripts/test-package.
#
# The clean system lies on a file system of its own (ext4 in a file). At an instant of the work that file system is shut
# down as a power cut would do it: what has not reached the disk by then is gone, its journal is replayed at the next mount
# (EXT4_IOC_SHUTDOWN without flushing, as the tests of Linux' own file systems do it). Then everything that ran is killed.
#
# There is one program to try all this with. A later release is the same one under another version; what it has to change are
# databases of the first release, and what it is said to have changed are databases that no program knows (scripts/lib/forms).
# shellcheck shell=bash
# shellcheck source=scripts/lib/house.sh
source "${BASH_SOURCE[0]%/*}/house.sh"
# shellcheck source=scripts/lib/boot/packages.sh
source "${BASH_SOURCE[0]%/*}/boot/packages.sh"

# Each kind of work, with the disk that it begins with (made below), and what is run there.
declare -A cut_disks=(
    [install]=clean [upgrade]=lived-in [first-start]=older [rollback]=upgraded [downgrade]=too-new [fall-back]=failed
    [remove]=lived-in [purge]=lived-in
)
# shellcheck disable=SC2016 # expanded in the clean system
declare -A cut_works=(
    [install]='dpkg --install /gatehouse.deb'
    [upgrade]='dpkg --install /next.deb'
    # Until the newer release is ready, and stops again. systemd would start it.
    [first-start]='setpriv --reuid=gatehouse --regid=gatehouse --init-groups --no-new-privs gatehouse run \
        --config /etc/gatehouse/gatehouse.toml --data-dir /var/lib/gatehouse --http 127.0.0.1:0 --mqtt 127.0.0.1:0 \
        >/run/log 2>&1 & daemon=$!
        until grep -q ^Ready /run/log; do kill -0 $daemon || { cat /run/log; exit 1; }; sleep 0.02; done
        kill -TERM $daemon && wait $daemon'
    # Both ways that docs/upgrades.md tells: the newer release goes back, or the older one once it is there.
    [rollback]='gatehouse rollback --yes && dpkg --install /gatehouse.deb'
    [downgrade]='dpkg --install /gatehouse.deb && gatehouse rollback --yes'
    # What the unit of the fall-back runs (gatehouse-fallback@.service).
    [fall-back]='exec env PATH=/stand-in:$PATH /usr/lib/gatehouse/try-again --kept /usr/lib/gatehouse/previous/gatehouse \
        fall-back --unit gatehouse.service'
    [remove]='dpkg --remove gatehouse'
    [purge]='dpkg --purge gatehouse'
)
cut_kinds=(install upgrade first-start rollback downgrade fall-back remove purge)

# An address of another machine (RFC 5737), where no page can be.
nowhere=192.0.2.1:8080

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

# disk_like DISK NAME: makes a disk that begins as a copy of another one, and mounts it.
disk_like() {
    as_root cp --sparse=always "$cuts/$1" "$cuts/$2"
    cuts_mount "$cuts/$2"
}

# cuts_copy FILE: makes `$cuts/disk` a copy of the disk. It is another file each time: a device that is still held would keep
# in memory what never reached the disk.
cuts_copy() {
    as_root cp --sparse=always "$1" "$cuts/copy"
    as_root mv "$cuts/copy" "$cuts/disk"
}

# work SECONDS COMMAND: has the shell do this in the clean system, in a world of its own, and cuts the power of its disk after so
# many seconds, or never. Prints what scripts/lib/cut-power does.
work() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root scripts/lib/cut-power "$root" "$1" unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" && mount -t tmpfs tmpfs "$0/run" &&
            exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb \
                DEBIAN_FRONTEND=noninteractive sh -c "$1"' "$root" "$2" 2>"$cuts/work.log"
}

# configuration_is_kept: whether it is that of before.
configuration_is_kept() { in_root grep --quiet '^# kept$' /etc/gatehouse/gatehouse.toml; }

# starts [COMMAND...]: the daemon starts on what there is, is healthy, these commands hold while it runs, and it ends.
starts() {
    data_directory_made
    # A failure ends what it is in, and here this is not the whole script.
    (daemon_round "$@") >/dev/null 2>"$cuts/round.log" || { cat "$cuts/round.log" >&2; return 1; }
}

# house_lives: what is installed runs, with all that was in the house before.
house_lives() { configuration_is_kept && starts house_answers; }

# packages_are_known: whether dpkg can read what it knows of each package.
packages_are_known() { in_root dpkg-query --show >/dev/null && in_root dpkg --status dpkg >/dev/null; }

# shellcheck disable=SC2016 # dpkg-query's own
is_installed() { [[ $(in_root dpkg-query --show --showformat='${db:Status-Status}' gatehouse 2>/dev/null) == installed ]]; }

# program_is_whole: a program that has its name is all there. Where systemd would start it at the next boot, it runs.
program_is_whole() {
    [[ -e $root/usr/bin/gatehouse ]] || return 0
    in_root gatehouse --version >/dev/null || return 1
    [[ ! -L $root/etc/systemd/system/multi-user.target.wants/gatehouse.service ]] || starts
}

# kept_program_is_whole: the program of before an upgrade, where there is one, runs and is the one that the file beside it says.
kept_program_is_whole() {
    local previous=/usr/lib/gatehouse/previous
    [[ ! -e $root$previous/gatehouse ]] || [[ $(in_root $previous/gatehouse --version) == "gatehouse $(in_root cat $previous/version)" ]]
}

# tables_are NAME: whether the databases of the house have what is noted under the name; note_tables notes them.
tables_are() { forms content "${@:2}" | diff - "$cuts/tables.$1" >&2; }
note_tables() { forms content "${@:2}" | as_root tee "$cuts/tables.$1" >/dev/null; }

# copy_of_before_is_whole: an upgrade has left the databases of the first release, to the last row.
copy_of_before_is_whole() {
    local forms_below=/before-upgrade
    tables_are older gatehouse.db history.db && grep --quiet "\"version\":\"$(own_version)\"" \
        <(as_root cat "$root/var/lib/gatehouse/before-upgrade/copy.json")
}

# went_back_or_waits: the older release runs on the data of before; or all that the newer one made of it is there as it was, and the
# program says what to do.
went_back_or_waits() {
    configuration_is_kept || return 1
    starts house_answers 2>/dev/null || {
        grep 'sudo gatehouse rollback' "$cuts/round.log" >/dev/null && tables_are too-new gatehouse.db broker.db history.db
    }
}

# boots_and_falls_back: what systemd does after the power came back: it starts what the unit names, and where that fails for good,
# it asks the kept program.
boots_and_falls_back() {
    local drop_in=$root/etc/systemd/system/gatehouse.service.d/zz-previous-release.conf
    if [[ ! -e $drop_in ]]; then
        starts_in_vain "$cuts/round.log" "$nowhere" || return 1
        in_root sh -c "${cut_works[fall-back]}" >"$cuts/fall-back.log" 2>&1 || { cat "$cuts/fall-back.log" >&2; return 1; }
    fi
    in_root systemd-analyze verify --man=no /usr/lib/systemd/system/gatehouse.service || return 1
    program=$(sed -n 's|^ExecStart=\(/[^ ]*\) run .*|\1|p' "$drop_in")
    [[ $program == /usr/lib/gatehouse/previous/gatehouse ]] && house_lives || return 1
    program=/usr/bin/gatehouse
    forms_are "$forms_own"
}

# check_after KIND: what must hold after a cut, before anybody did anything.
check_after() {
    packages_are_known || return 1
    case $1 in
        install) program_is_whole ;;
        upgrade) kept_program_is_whole && house_lives ;;
        first-start) house_lives && copy_of_before_is_whole ;;
        rollback) house_lives ;;
        downgrade) went_back_or_waits ;;
        fall-back) boots_and_falls_back ;;
        # Nothing of the house is touched before the last file of the package is gone.
        remove) [[ -e $root/var/lib/gatehouse/gatehouse.db ]] && kept_or_gone ;;
        purge) kept_or_gone ;;
    esac
}

# kept_or_gone: as long as there is a program, it runs with all that was in the house.
kept_or_gone() { [[ ! -e $root/usr/bin/gatehouse ]] || house_lives; }

# finish_work KIND: what a person does after the power is back: lets dpkg finish, and does the same again.
finish_work() {
    # Where the package was just being unpacked it says that this has to be done again, and does nothing.
    in_root dpkg --configure -a || true
    case $1 in
        # Whatever was copied is what goes back.
        first-start) in_root gatehouse rollback --yes ;;
        # After a start in between the newer release has changed the data again.
        rollback) in_root gatehouse rollback --yes && in_root dpkg --install /gatehouse.deb ;;
        downgrade)
            in_root dpkg --install /gatehouse.deb || return 1
            ! forms_are "$forms_too_new" || in_root gatehouse rollback --yes
            ;;
        fall-back) in_root dpkg --install /gatehouse.deb ;;
        # Every other one is not ended: somebody wants the gateway after all, on what a purge has left.
        purge)
            if ((instant % 2)); then
                in_root dpkg --install /gatehouse.deb && starts || return 1
            fi
            in_root dpkg --purge gatehouse
            ;;
        *) in_root sh -c "${cut_works[$1]}" ;;
    esac
}

# check_end KIND: what must hold once it was finished.
check_end() {
    case $1 in
        install) is_installed && starts ;;
        upgrade) is_installed && kept_program_is_whole && house_lives ;;
        first-start | rollback)
            forms_are "$forms_older" && tables_are older gatehouse.db history.db && house_lives
            ;;
        downgrade | fall-back)
            is_installed && house_lives && forms_are "$forms_own" &&
                [[ ! -e $root/etc/systemd/system/gatehouse.service.d ]]
            ;;
        remove)
            # Who installs it again has everything.
            [[ ! -e $root/usr/bin/gatehouse ]] && in_root dpkg --install /gatehouse.deb >/dev/null && house_lives
            ;;
        purge) nothing_is_left ;;
    esac
}

# cut_at KIND DELAY: does the work, cuts it after so many seconds, and looks at what is left.
cut_at() {
    local kind=$1 delay=$2 ended
    program=/usr/bin/gatehouse
    cuts_copy "$cuts/${cut_disks[$kind]}"
    cuts_mount "$cuts/disk"
    ended=$(work "$delay" "${cut_works[$kind]}") ||
        die "the power could not be cut" "$(tail -n 3 "$cuts/work.log")"
    cuts_unmount
    as_root mv "$cuts/disk" "$cuts/left"
    cuts_copy "$cuts/left"
    cuts_mount "$cuts/disk"
    check_after "$kind" || cut_ended_badly "after a power cut $delay s into the $kind, the system is not as it must be" \
        "The work said: $(tail -n 3 "$cuts/work.log")"
    finish_work "$kind" >"$cuts/finish.log" 2>&1 || cut_ended_badly "the $kind that was cut after $delay s could not be finished" \
        "$(tail -n 20 "$cuts/finish.log")"
    check_end "$kind" || cut_ended_badly "a $kind that was cut after $delay s and done again did not end well" \
        "It said: $(tail -n 5 "$cuts/finish.log")"
    cuts_unmount
    [[ $ended == ended ]] || inside=$((inside + 1))
}

# cut_ended_badly TEXT [LINE...]: ends the script; the disk as the cut left it stays.
cut_ended_badly() {
    local disk
    disk=$(as_root mktemp --suffix=.disk)
    as_root mv "$cuts/left" "$disk"
    die "$@" "The disk as the cut left it: $disk"
}

# cut_disks_make: the disks that the works begin with.
# shellcheck disable=SC2154 # release, architecture, package and base_keeps_days are set by the script
cut_disks_make() {
    # The clean system with all that the package depends on, and the next release of it.
    clean_root_make "$release" "$architecture" "$base_keeps_days"
    as_root cp "$package" "$root/gatehouse.deb"
    if [[ $architecture == amd64 ]]; then
        release_package 1
        as_root mv "$root/1.deb" "$root/next.deb"
    else
        next_package "$package" +next "$root/next.deb"
    fi
    apt_in_root update
    apt_in_root install /gatehouse.deb
    apt_in_root purge gatehouse
    as_root rm --recursive --force "$root/var/lib/apt/lists" "$root/var/cache/apt"
    cuts_disk "$cuts/clean" "$root"
    clean_root_remove

    # A house that is lived in.
    disk_like clean lived-in
    in_root dpkg --install /gatehouse.deb >/dev/null 2>&1
    starts
    live_in
    house_lives || die "the house before the cuts is not lived in"
    forms_own=$(forms tell)
    cuts_unmount
    [[ $architecture != amd64 ]] || cut_disks_of_other_releases
}

# cut_disks_of_other_releases: those with databases of an earlier release, or of a later one.
cut_disks_of_other_releases() {
    # The house of the first release, with the next one installed, which has not started yet.
    disk_like lived-in older
    forms older "$house_since" "$(own_version)"
    forms_older=$(forms tell)
    note_tables older gatehouse.db history.db
    in_root dpkg --install /next.deb >/dev/null
    cuts_unmount

    # Now it has.
    disk_like older upgraded
    if ! house_lives || ! forms_are "$forms_own" || ! copy_of_before_is_whole; then
        die "databases of the first release are not upgraded"
    fi
    cuts_unmount

    # A later release has run, and changed all forms.
    disk_like lived-in too-new
    in_root dpkg --install /next.deb >/dev/null
    forms newer "$(own_version)" "$(version_of 1)"
    forms_too_new=$(forms tell)
    note_tables too-new gatehouse.db broker.db history.db
    if house_lives 2>/dev/null || ! went_back_or_waits; then die "a release does not refuse databases that it does not know"; fi
    cuts_unmount

    # It has changed them, and never came to run.
    disk_like lived-in failed
    in_root dpkg --install /next.deb >/dev/null
    forms newer "$(own_version)" "$(own_version)"
    starts_in_vain "$cuts/round.log" || die "a release starts on databases that it does not know"
    # Nothing runs as process 1 here: whatever is asked of it is done, and the unit has failed.
    as_root mkdir "$root/stand-in"
    as_root ln --symbolic /bin/true "$root/stand-in/systemctl"
    cuts_unmount
}

# step_cuts: cuts each kind of work at $cuts_wanted instants, spread over it, with a seed that is told.
step_cuts() {
    local kind instant delay took inside forms_own forms_older forms_too_new
    for kind in "${cuts_of[@]}"; do
        [[ -n ${cut_disks[$kind]:-} ]] || die "there is no kind of work named $kind" "There are: ${cut_kinds[*]}"
    done
    need_apt "makes disks for power cuts" e2fsprogs
    need_command python3 "shuts a file system down" python3
    need_command curl "asks the daemon for its health" curl
    cuts=$(as_root mktemp --directory)
    as_root mkdir "$cuts/root"
    RANDOM=$cuts_seed
    cut_disks_make
    for kind in "${cut_kinds[@]}"; do
        # A release under another version is made for this machine's own architecture alone.
        if [[ $architecture != amd64 && $kind =~ ^(first-start|rollback|downgrade|fall-back)$ ]]; then
            warn "$kind is not cut here: a later release can be made up for amd64 alone"
            continue
        fi
        ((${#cuts_of[@]} == 0)) || [[ " ${cuts_of[*]} " == *" $kind "* ]] || continue
        cuts_copy "$cuts/${cut_disks[$kind]}"
        cuts_mount "$cuts/disk"
        took=$(work never "${cut_works[$kind]}") ||
            die "the $kind fails without a cut" "$(tail -n 20 "$cuts/work.log")"
        cuts_unmount
        inside=0
        for ((instant = 0; instant < cuts_wanted; instant++)); do
            delay=$((took * instant / cuts_wanted + RANDOM % (took / cuts_wanted + 1)))
            cut_at "$kind" "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
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

cuts='' loop='' cuts_wanted=0 cuts_seed=1 cuts_of=()
