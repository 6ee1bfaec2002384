# A clean Debian system that is booted: its own systemd is process 1 of a world of its own (processes, mounts, network, control
# groups), with nothing but what the kernel itself brings. Sourced; works on `root` (clean-root.sh).
#
# It has a loopback and a network card with the address below, whose cable ends in the same world. So its ports are its own, and
# nothing from outside gets in.
# shellcheck shell=bash
# shellcheck source=scripts/lib/clean-root.sh
source "${BASH_SOURCE[0]%/*}/../clean-root.sh"
# shellcheck source=scripts/lib/waiting.sh
source "${BASH_SOURCE[0]%/*}/../waiting.sh"

# Of the block that is kept for documentation (RFC 5737).
box_address=192.0.2.7
# Longest time of one boot, and of a shutdown.
box_limit=60

# The process outside that waits for the world to end, process 1 of it as seen from outside, and its group of control groups.
# What it says itself is in `box_log`.
box='' box_init='' box_group='' box_pid_file='' box_log=''

# box_control_groups: prints the directory below which a world gets its own control groups (version 2).
box_control_groups() {
    local place
    place=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    [[ -n $place ]] || die "this machine has no control groups of version 2 mounted" \
        "systemd needs them: mount -t cgroup2 none /sys/fs/cgroup/unified"
    printf '%s/gatehouse-boot.%s' "$place" "$$"
}

# box_start: boots the clean system, and waits until everything that starts by itself has started.
box_start() {
    box_group=$(box_control_groups)
    box_pid_file=$(mktemp)
    as_root mkdir --parents "$box_group"
    # Memory and processes are counted in it, where this machine counts them in groups of version 2.
    local controller
    for controller in memory pids; do
        printf '+%s' "$controller" | as_root tee "${box_group%/*}/cgroup.subtree_control" >/dev/null 2>&1 || true
    done
    # shellcheck disable=SC2016 # expanded by the inner shells
    as_root setsid sh -c 'echo $$ >"$0/cgroup.procs" && echo $$ >"$1" &&
        exec unshare --mount --pid --ipc --uts --net --cgroup --fork --kill-child sh -c "$2" "$3" "$4" "$5"' \
        "$box_group" "$box_pid_file" '
            root=$0
            hostname rig
            ip link set lo up && ip link add cable0 type veth peer name cable1 &&
                ip address add "$1/24" dev cable0 && ip link set cable0 up && ip link set cable1 up || exit 125
            mount --bind "$root" "$root" && cd "$root" || exit 125
            mount -t proc proc proc && mount -t sysfs -o ro sysfs sys && mount -t cgroup2 -o nsdelegate cgroup2 sys/fs/cgroup &&
                mount -t tmpfs -o mode=0755 tmpfs run && mount -t tmpfs -o mode=0755 tmpfs dev || exit 125
            for node in null zero full random urandom tty; do touch dev/$node && mount --bind /dev/$node dev/$node; done
            mkdir dev/pts dev/shm && mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
            ln -s pts/ptmx dev/ptmx && ln -s /proc/self/fd dev/fd && mount -t tmpfs -o mode=1777 tmpfs dev/shm
            # The kernel is the one of this machine: nobody in there sets anything of it. A boot has a number of its own.
            mount --bind proc/sys proc/sys && mount -o remount,ro,bind proc/sys
            cat /proc/sys/kernel/random/uuid >run/boot-id && mount --bind run/boot-id proc/sys/kernel/random/boot_id
            mount --bind proc/sysrq-trigger proc/sysrq-trigger && mount -o remount,ro,bind proc/sysrq-trigger
            # A machine of its own has its mounts shared, so that services hear of those that come later.
            mkdir -p mnt && pivot_root . mnt && cd / && umount --lazy /mnt && mount --make-rshared / &&
                exec env -i container=gatehouse PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
                    setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio /lib/systemd/systemd' \
        "$root" "$box_address" </dev/null >"$box_log" 2>&1 &
    box=$!
    soon "$box_limit" box_has_init || die "the clean system does not boot here" "$(tail -n 5 "$box_log")" \
        "It needs a kernel with all kinds of namespaces, and root without limits: not every container gives them."
    soon "$box_limit" box_is_up || die "the clean system did not come up" "$(in_box systemctl list-jobs 2>&1 | tail -n 20)"
}

box_has_init() {
    local waiter
    waiter=$(cat "$box_pid_file") && [[ -n $waiter ]] || return 1
    box_init=$(cat "/proc/$waiter/task/$waiter/children" 2>/dev/null) && box_init=${box_init%% *} && [[ -n $box_init ]] &&
        [[ $(cat "/proc/$box_init/comm" 2>/dev/null) == systemd ]]
}

box_is_up() { [[ $(in_box systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; }

# in_box COMMAND...: runs a command in the booted system, as root.
in_box() {
    as_root nsenter --target "$box_init" --mount --uts --ipc --net --pid --cgroup \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb HOME=/root \
        DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# box_ended: waits until the world has ended by itself.
box_ended() {
    local deadline=$((SECONDS + box_limit))
    while kill -0 "$box" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
    ! kill -0 "$box" 2>/dev/null || die "the clean system does not shut down" "$(in_box systemctl list-jobs 2>&1 | tail -n 20)"
    box_forget
}

# box_reboot: shuts the system down as `reboot` does, and boots it again.
box_reboot() {
    in_box systemctl --no-block reboot
    box_ended
    box_start
}

# box_cut: ends all of it at once, as a power cut would; what had been written stays, since the kernel goes on.
box_cut() {
    [[ -n $box ]] || return 0
    [[ -z $box_init ]] || as_root kill -KILL "$box_init" 2>/dev/null || true
    local waiter
    waiter=$(cat "$box_pid_file" 2>/dev/null || true)
    [[ -z $waiter ]] || as_root kill -KILL "$waiter" 2>/dev/null || true
    box_forget
}

# box_forget: what is left of a world that has ended.
box_forget() {
    wait "$box" 2>/dev/null || true
    rm --force "$box_pid_file"
    # Control groups have no files that could be removed; a group goes once nobody is in it.
    soon 10 box_groups_go || warn "control groups are left in $box_group"
    box='' box_init=''
}

box_groups_go() {
    as_root find "$box_group" -depth -type d -exec rmdir {} + 2>/dev/null
    [[ ! -e $box_group ]]
}
