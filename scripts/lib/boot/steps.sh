# The package under a systemd that runs: what `scripts/test-package --boot` tries, in the order of a gateway's life. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/boot/facts.sh
source "${BASH_SOURCE[0]%/*}/facts.sh"
# shellcheck source=scripts/lib/boot/packages.sh
source "${BASH_SOURCE[0]%/*}/packages.sh"
# shellcheck source=scripts/lib/boot/stick.sh
source "${BASH_SOURCE[0]%/*}/stick.sh"

# What the booted system has beside a minimal Debian, and what it is looked at with.
box_packages=(systemd systemd-sysv dbus udev procps iproute2 curl jq)
# Seconds after which a gateway that failed for good is tried again. The package's own number is 300.
box_rest=${BOX_REST:-15}
# Seconds that a start may take in the trial of one that hangs: so many that systemd's own count of starts never ends them. The
# package's own number is 60.
box_start_limit=28
# shellcheck disable=SC2034 # for scripts/test-package
boot_steps=(boot boot-install boot-crash boot-hang boot-memory boot-stick boot-again boot-stop boot-upgrade boot-downgrade boot-broken
    boot-hanging boot-dead boot-remove boot-mosquitto)

# box_system [PACKAGE...]: makes the clean system with systemd in it, and these packages of Debian.
# shellcheck disable=SC2154 # release, architecture, package and base_keeps_days are set by the script
box_system() {
    local wanted
    clean_root_make "$release" "$architecture" "$base_keeps_days"
    # Its disk is never cut off from the power.
    echo force-unsafe-io | as_root tee "$root/etc/dpkg/dpkg.cfg.d/rig" >/dev/null
    apt_in_root update
    apt_in_root install "${box_packages[@]}" "$@"
    # The booted system has no network: all that the package depends on is there before.
    wanted=$(dpkg-deb --field "$package" Depends)
    apt_in_root satisfy "$wanted"
    as_root rm --force "$root/etc/machine-id"
    as_root touch "$root/etc/machine-id"
    echo rig | as_root tee "$root/etc/hostname" >/dev/null
    as_root cp "$package" "$root/gatehouse.deb"
    box_log=${box_log:-$(mktemp)}
}

step_boot() {
    need_command curl "asks the daemon for its health" curl
    need_command jq "reads what the page answers" jq
    need_command ip "gives the booted system its network" iproute2
    local begun
    box_system
    begun=$(milliseconds)
    box_start
    note "✓ $release is booted in $(($(milliseconds) - begun)) ms: $(in_box systemctl --version | head -n 1)"
    expect "nothing of it has failed before the installation" nothing_failed
}

step_boot_install() {
    local begun
    begun=$(milliseconds)
    apt_in_box install /gatehouse.deb
    note "✓ apt-get install took $(($(milliseconds) - begun)) ms"
    expect "it ends with the address of the page" said "http://$box_address:8080/"
    expect "and with the command for the set-up code" said 'sudo -u gatehouse gatehouse setup-code'
    note "$(grep --after-context=4 'found this on this machine' <<<"$box_said" || echo 'It found nothing on this machine that would have to be told.')"
    expect "the service is active" active
    expect "as its own user" test "$(in_box ps -o user= -C gatehouse)" = gatehouse
    expect "its line of status tells how it is" status_says '^ *Status: "[^"]+"'
    note "$(in_box systemctl status --no-pager gatehouse.service | sed -n 's/^ *Status: //p')"
    expect "the page is healthy" healthy ok
    expect "the command prints a code with which an administrator is made" set_up
    expect "who is logged in" logged_in
    expect "nothing has failed" nothing_failed
    expect "the journal has no error" no_errors
    # Nobody waits five minutes for each failure here.
    drop_in gatehouse-fallback@.service "[Service]
Environment=GATEHOUSE_REST_SECONDS=$box_rest"
}

step_boot_crash() {
    local pid begun killed=0
    pid=$(property MainPID)
    begun=$(milliseconds)
    in_box kill -KILL "$pid"
    expect "after kill -9 it runs again" soon 20 another_than "$pid"
    note "in $(($(milliseconds) - begun)) ms"
    expect "systemd says how it ended" journal_says 'Main process exited, code=killed, status=9/KILL'
    expect "the page tells that it was killed" soon 10 warns ended_crashed
    expect "its health is degraded" healthy degraded
    expect "who was logged in still is" logged_in
    begun=$(milliseconds)
    kill_until_it_rests
    expect "killed again and again it rests" failed_for_good
    note "after $killed more, in $(($(milliseconds) - begun)) ms: $(property Result)"
    begun=$(milliseconds)
    expect "and comes back by itself" soon $((box_rest + 30)) active
    note "after $(($(milliseconds) - begun)) ms; the rest was made $box_rest s for this (300 in the package)"
    expect "after a first installation there is no release to fall back to, and nothing is said of one" \
        journal_lacks 'previous/gatehouse' gatehouse-fallback@gatehouse.service
    expect "nothing has failed" nothing_failed
    # Who takes the wires of a heater in hand then has to be heard as well: for systemd what has failed is stopped already.
    kill_until_it_rests
    expect "while it rests, it is about to be started" soon 10 is_about_to_start
    in_box systemctl stop gatehouse.service
    refuse "stopped then, it is not any more" is_about_to_start
    expect "nor does it run" failed_for_good
    in_box systemctl reset-failed gatehouse.service
    in_box systemctl start gatehouse.service
    expect "until somebody starts it" active
}

# kill_until_it_rests: kills it until systemd starts it no more, and counts in `killed`.
kill_until_it_rests() {
    local pid
    killed=0
    while ! failed_for_good; do
        ((killed++ < 10)) || die "killed $killed times, it is still started at once"
        pid=$(property MainPID)
        [[ $pid == 0 ]] || in_box kill -KILL "$pid" 2>/dev/null || true
        soon 20 moved_on_from "$pid" || die "the service neither runs nor has failed"
    done
}

# is_about_to_start: whether the rest goes on after which it is tried again.
is_about_to_start() { [[ $(property ActiveState gatehouse-fallback@gatehouse.service) == activating ]]; }

# moved_on_from PID: whether another process runs, or none will.
moved_on_from() { failed_for_good || another_than "$1"; }

step_boot_hang() {
    local pid begun
    pid=$(property MainPID)
    begun=$(milliseconds)
    in_box kill -STOP "$pid"
    expect "a daemon that hangs is ended by the watchdog and started again" soon 60 another_than "$pid"
    note "in $(($(milliseconds) - begun)) ms"
    expect "systemd calls it so" journal_says "Failed with result 'watchdog'"
    expect "the page tells that it hung" soon 10 warns ended_hung
    expect "so does the check-up" doctor_says 'hung'
    expect "its health is degraded" healthy degraded
    in_box systemctl restart gatehouse.service
    expect "after a run that ended well the page is healthy" healthy ok
}

step_boot_memory() {
    local pid
    if ! in_box grep --quiet memory /sys/fs/cgroup/cgroup.controllers; then
        warn "memory is not counted here: this machine's kernel has its memory controller in a hierarchy of version 1, which no \
other can have. scripts/virtual-pi virt-amd64 alone tries it with a kernel of its own."
        return 0
    fi
    pid=$(property MainPID)
    expect "with far too little memory" in_box systemctl set-property --runtime gatehouse.service MemoryMax=4M
    expect "the kernel ends it, and it is started again" soon 60 killed_for_memory
    in_box systemctl set-property --runtime gatehouse.service MemoryMax=256M
    expect "it runs with enough" soon $((box_rest + 60)) another_than "$pid"
    expect "the page tells that it was ended for want of memory" soon 10 warns ended_out_of_memory
    in_box systemctl restart gatehouse.service
}
killed_for_memory() { journal_says "Failed with result 'oom-kill'"; }

step_boot_again() {
    local begun before
    before=$(in_box cat /proc/sys/kernel/random/boot_id)
    begun=$(milliseconds)
    box_reboot
    note "✓ it is shut down and booted again in $(($(milliseconds) - begun)) ms"
    refuse "as another boot" test "$before" = "$(in_box cat /proc/sys/kernel/random/boot_id)"
    expect "the service is up" soon 20 active
    expect "who was logged in still is" soon 10 logged_in
    expect "the page has nothing to complain of" healthy ok
    expect "nothing has failed" nothing_failed
    expect "the journal has no error" no_errors
    box_cut
    box_start
    expect "after all processes were cut off at once, it is up" soon 20 active
    expect "who was logged in still is" soon 10 logged_in
    expect "the page tells that the run before did not end in order" cut_off
    in_box systemctl restart gatehouse.service
}

# To a service that systemd 252 gives a /proc of its own it is the same boot of the kernel: that one shows the kernel's number.
cut_off() { warns ended_cut_off || warns ended_crashed; }

step_boot_stop() {
    in_box systemctl stop gatehouse.service
    # What would start it again does so after two seconds, or is a unit that runs.
    sleep 6
    expect "stopped, it stays so" test "$(property ActiveState)" = inactive
    expect "and nobody is about to start it" test "$(property ActiveState gatehouse-fallback@gatehouse.service)" = inactive
    in_box systemctl start gatehouse.service
    expect "until it is started" active
}

# upgrade_to NUMBER [KIND]: makes the package of a later release, and installs it.
upgrade_to() {
    release_package "$@"
    apt_in_box install "/$1.deb"
}

step_boot_upgrade() {
    local begun invocation starts version
    # What dpkg asks of the package of before when an upgrade is given up, such as one for which the disk has no room.
    invocation=$(property InvocationID)
    expect "an upgrade that was given up ends well" quietly in_box env DPKG_MAINTSCRIPT_PACKAGE=gatehouse \
        /var/lib/dpkg/info/gatehouse.postinst abort-upgrade 99
    expect "and leaves the gateway as it runs" test "$invocation" = "$(property InvocationID)"
    release_package 1
    version=$(version_of 1)
    page_json /api/v1/users '{"name":"before","role":"viewer","password":"made before the upgrade"}' >/dev/null
    starts=$(starts_of_gateway)
    invocation=$(property InvocationID)
    begun=$(milliseconds)
    apt_in_box install /1.deb
    note "✓ the upgrade to $version took $(($(milliseconds) - begun)) ms"
    expect "the newer release runs" runs_version "$version"
    refuse "as another run" test "$invocation" = "$(property InvocationID)"
    expect "which was started once" test "$(starts_of_gateway)" -eq $((starts + 1))
    expect "the release of before is kept" test "$(in_box cat /usr/lib/gatehouse/previous/version)" = "$(own_version)"
    expect "who was logged in still is" logged_in
    expect "the page has nothing to complain of" healthy ok
    expect "the journal has no error" no_errors
}

# starts_of_gateway: how often it was started in this boot.
starts_of_gateway() { in_box journalctl --boot --no-pager --quiet --unit gatehouse.service | grep --count 'Started gatehouse.service'; }

# has_account NAME: whether somebody of that name may log in.
has_account() { page /api/v1/users | jq --exit-status --arg name "$1" '[.. | .name? // empty] | contains([$name])' >/dev/null; }

# Back to the release of before, as docs/upgrades.md tells. The programs of both are the same here but for their version; so what
# a newer one does to the data is done by hand: its copy, and accounts in a form that the older one does not know.
step_boot_downgrade() {
    local data=$root/var/lib/gatehouse copy=$root/var/lib/gatehouse/before-upgrade
    in_box systemctl stop gatehouse.service
    as_root install --directory --mode=0700 "$copy"
    as_root cp "$data"/{gatehouse,broker,history}.db "$copy/"
    jq --null-input --arg version "$(own_version)" --argjson form "$(form_of "$data/gatehouse.db")" \
        --arg made "$(date --utc +%FT%T.000Z)" \
        '{$version, $made, forms: {"gatehouse.db": $form}, without_history: false}' | as_root tee "$copy/copy.json" >/dev/null
    as_root chown --recursive --reference="$data" "$copy"
    in_box systemctl reset-failed gatehouse.service
    in_box systemctl start gatehouse.service
    page_json /api/v1/users '{"name":"since","role":"viewer","password":"made after the upgrade"}' >/dev/null
    in_box systemctl stop gatehouse.service
    raise_form "$data/gatehouse.db"
    in_box systemctl reset-failed gatehouse.service
    in_box systemctl start gatehouse.service 2>/dev/null || true
    expect "data in a newer form is refused" journal_says 'sudo gatehouse rollback'
    in_box systemctl stop gatehouse.service
    expect "gatehouse rollback goes back to the copy" quietly in_box gatehouse rollback --yes
    apt_in_box install --allow-downgrades /gatehouse.deb
    expect "the older release starts after apt-get install --allow-downgrades" active
    expect "as everybody, who was logged in logs in again" log_in
    expect "it is the older one" runs_version "$(own_version)"
    expect "on the data of before" has_account before
    refuse "and not on what came since" has_account since
    expect "nothing has failed" nothing_failed
}

# form_of FILE, raise_form FILE: the form of a database, which is a number in its head (SQLite file format, 1.3.12), and another
# one than any program knows.
form_of() { printf '%d' "0x$(as_root od --address-radix=n --format=x1 --skip-bytes=60 --read-bytes=4 "$1" | tr --delete ' ')"; }
raise_form() {
    # shellcheck disable=SC2059 # the bytes are the format
    printf "$(printf '\\x%02x' 0 0 3 231)" | as_root dd of="$1" bs=1 seek=60 conv=notrunc status=none
}

step_boot_broken() {
    local begun broken=2
    begun=$(milliseconds)
    upgrade_to $broken ends
    expect "an upgrade to a release that ends at once with 1 says that it does not run" said 'does not run'
    fallen_back "$(version_of $broken)" 90
    note "after $(($(milliseconds) - begun)) ms, with the making of the package"
    upgrade_to 3
    expect "a later release that is well takes over" soon 10 runs_version "$(version_of 3)"
    refuse "the drop-in is gone" in_box test -e "$fallback_drop_in"
    refuse "its directory too" in_box test -e "${fallback_drop_in%/*}"
    expect "and the page has nothing to complain of" healthy ok
    expect "who was logged in still is" logged_in
    expect "nothing has failed" nothing_failed
}

fallback_drop_in=/etc/systemd/system/gatehouse.service.d/zz-previous-release.conf

# fallen_back VERSION LIMIT: the release of before runs on its data, since that version does not start; and everybody is told.
fallen_back() {
    local runs
    runs=$(in_box cat /usr/lib/gatehouse/previous/version)
    expect "the release of before ($runs) runs in its place" soon "$2" runs_version "$runs"
    expect "who was logged in still is" logged_in
    expect "people of before the upgrade are there" has_account before
    expect "systemctl status shows the drop-in" status_says zz-previous-release.conf
    expect "and says it in its line" soon 15 status_says 'Status:.*release failed'
    note "$(in_box systemctl status --no-pager gatehouse.service | sed -n 's/^ *Status: //p')"
    expect "the page tells of $1" warns release_failed "$1"
    note "$(page /api/v1/house | jq --raw-output '.gateway.warnings[] | select(.kind == "release_failed").detail')"
    expect "so does its check-up" checks_up release-failed
    expect "and the one at a terminal" kept_doctor_says "Release ${1//./\\.} did not start"
    expect "its health is degraded" healthy degraded
    expect "no unit rests in failed" nothing_failed
}

step_boot_hanging() {
    local begun
    drop_in gatehouse.service "[Service]
TimeoutStartSec=$box_start_limit"
    begun=$(milliseconds)
    # apt-get waits for the first start, and for its end.
    upgrade_to 4 hangs
    fallen_back "$(version_of 4)" $((8 * (box_start_limit + 3)))
    note "after $(($(milliseconds) - begun)) ms; a start was given $box_start_limit s for this (60 in the package)"
    in_box systemctl restart gatehouse.service
    expect "a restart runs the release of before again" soon 10 runs_version "$(in_box cat /usr/lib/gatehouse/previous/version)"
    drop_out gatehouse.service
    upgrade_to 5
    expect "a later release that is well takes over" soon 10 runs_version "$(version_of 5)"
    refuse "the drop-in is gone" in_box test -e "$fallback_drop_in"
}

# Nothing of this release ever answers, and what makes outputs safe is part of it. Its starts take longer than systemd counts.
step_boot_dead() {
    local begun limit=23
    drop_in gatehouse.service "[Service]
TimeoutStartSec=$limit
TimeoutStopSec=2"
    # The starts of the steps before still count, and systemd would find these too many before the sixth.
    in_box systemctl reset-failed gatehouse.service
    begun=$(milliseconds)
    upgrade_to 6 stops
    fallen_back "$(version_of 6)" $((8 * (limit + 5) + 60))
    expect "its sixth start was ended" journal_says 'status=24/XCPU'
    note "after $(($(milliseconds) - begun)) ms; a start was given $limit s for this (60 in the package)"
    drop_out gatehouse.service
    upgrade_to 7
    expect "a later release that is well takes over" soon 10 runs_version "$(version_of 7)"
}

step_boot_remove() {
    drop_out gatehouse-fallback@.service
    refuse "while the service runs, the check-up does not miss it" doctor_says 'does not run'
    in_box systemctl stop gatehouse.service
    expect "once it was stopped, it does" doctor_says 'does not run'
    in_box systemctl start gatehouse.service
    apt_in_box remove gatehouse
    expect "the units are gone" test -z "$(in_box find /usr/lib/systemd -name '*gatehouse*')"
    refuse "nothing can be started" quietly in_box systemctl start gatehouse.service
    refuse "its process is gone" quietly in_box pgrep --exact gatehouse
    refuse "nor can the helper be asked" in_box test -e /run/gatehouse-mend.sock
    expect "the data is kept" in_box test -s /var/lib/gatehouse/gatehouse.db
    expect "the configuration too" in_box test -s /etc/gatehouse/gatehouse.toml
    apt_in_box install /gatehouse.deb
    expect "installed again, it tells where the page is" said "http://$box_address:8080/"
    expect "and knows who was logged in" soon 10 logged_in
    apt_in_box purge gatehouse
    local left
    left=$(in_box find / -xdev \( -path /proc -o -path /sys -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \
        -o -path '/*.deb' \) -prune -o -name '*gatehouse*' -print)
    left+=$(in_box find /run /dev -name '*gatehouse*' -print)
    [[ -z $left ]] || die "purging left something:" "$left"
    note "✓ purging left nothing: no unit, drop-in, link or user"
    refuse "not even its user" quietly in_box getent passwd gatehouse
    expect "nothing has failed" nothing_failed
}

# The same on a machine where Mosquitto was first: another clean system.
step_boot_mosquitto() {
    box_cut
    clean_root_remove
    box_system mosquitto
    box_start
    expect "Mosquitto has port 1883" soon 20 has_port mosquitto 1883
    apt_in_box install /gatehouse.deb
    expect "the service is active" active
    expect "the gateway takes the next port" has_port gatehouse 1884
    expect "Mosquitto keeps its own" has_port mosquitto 1883
    expect "the installation says who has it" said 'Mosquitto has port 1883'
    expect "and what mends it" said 'sudo gatehouse doctor --mend'
    expect "the check-up names it" doctor_says 'Mosquitto'
    note "$(in_box gatehouse doctor | grep --max-count=1 Mosquitto)"
    set_up
    expect "the page tells where MQTT is" warns mqtt_moved '1883 1884'
    mend_refused
    expect "what the page asks for is done" mends stop-mosquitto
    refuse "Mosquitto is off" in_box systemctl is-active --quiet mosquitto.service
    refuse "and does not start with the machine" in_box systemctl is-enabled --quiet mosquitto.service
    expect "the journal tells of it" journal_says 'systemctl disable --now mosquitto' 'gatehouse-mend@*'
    expect "and the audit log, with who asked" audit_says mended
    expect "the machine is up for five minutes" soon 300 up_for_five_minutes
    in_box systemctl restart gatehouse.service
    expect "then the gateway has 1883" has_port gatehouse 1883
    expect "and keeps 1884 for those who were given it" has_port gatehouse 1884
    # The same at a terminal.
    in_box systemctl enable --quiet --now mosquitto.service || true
    in_box systemctl restart gatehouse.service
    in_box systemctl stop gatehouse.service
    in_box systemctl restart mosquitto.service
    in_box systemctl start gatehouse.service
    expect "with Mosquitto started first, the gateway is on the next port" has_port gatehouse 1884
    expect "gatehouse doctor --mend stops Mosquitto" quietly in_box gatehouse doctor --mend stop-mosquitto --yes
    refuse "it is off" in_box systemctl is-active --quiet mosquitto.service
    in_box systemctl restart gatehouse.service
    expect "the gateway has 1883" has_port gatehouse 1883
    expect "no unit rests in failed" nothing_failed
}

# up_for_five_minutes: whether a start of the gateway is none at a boot any more.
up_for_five_minutes() {
    local seconds
    seconds=$(in_box cut --delimiter=. --fields=1 /proc/uptime) && ((seconds >= 300))
}

# has_port PROGRAM PORT: whether the program listens there.
has_port() {
    in_box ss --no-header --listening --tcp --numeric --processes "sport = :$2" | grep --fixed-strings "\"$1\"" >/dev/null
}

# ask_helper USER WORD: what the helper that mends answers to this user.
ask_helper() {
    # shellcheck disable=SC2016 # perl's own variables
    in_box setpriv --reuid="$1" --regid="$(in_box id --group "$1")" --init-groups perl -MIO::Socket::UNIX -e '
        my $helper = IO::Socket::UNIX->new($ARGV[0]) or die "$!\n";
        print $helper "$ARGV[1]\n"; $helper->flush; $helper->shutdown(1); print <$helper>' /run/gatehouse-mend.sock "$2" 2>&1
}

# mend_refused: whatever is not on the helper's list, or comes from somebody else.
mend_refused() {
    local answer
    answer=$(ask_helper gatehouse 'stop-ssh; reboot' || true)
    expect "a word that is not on the helper's list is refused" grep --quiet 'no word of the list' <<<"$answer"
    answer=$(ask_helper nobody stop-mosquitto || true)
    expect "another user does not even reach the helper" test "$answer" = 'Permission denied'
    expect "Mosquitto goes on" in_box systemctl is-active --quiet mosquitto.service
}

mends() { page_json /api/v1/doctor/mend "{\"word\":\"$1\"}" | jq --exit-status '.done | length > 0' >/dev/null; }
audit_says() { page /api/v1/audit | jq --exit-status --arg what "$1" '[.. | strings | select(contains($what))] | length > 0' >/dev/null; }
