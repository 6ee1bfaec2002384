# The acceptance of a package on an emulated Raspberry Pi 3B, driven from outside as a phone and the weather would.
# Sourced from the root of the checkout.
#
# The chips are QEMU's, written by others: they and the daemon's drivers cannot share a mistake.
# shellcheck shell=bash
# shellcheck source=scripts/lib/virtual-pi/machine.sh
source "${BASH_SOURCE[0]%/*}/machine.sh"
# shellcheck source=scripts/lib/waiting.sh
source "${BASH_SOURCE[0]%/*}/../waiting.sh"
# shellcheck source=scripts/lib/virtual-pi/guest/lib/check.sh
source "${BASH_SOURCE[0]%/*}/guest/lib/check.sh"
# shellcheck source=scripts/lib/steps.sh
source "${BASH_SOURCE[0]%/*}/../steps.sh"
# shellcheck source=scripts/lib/next-package.sh
source "${BASH_SOURCE[0]%/*}/../next-package.sh"

# Longest time until the guest lets us in: a boot takes half a minute on an idle machine, and minutes on a busy one.
boot_limit=600
# The emulated USB, which carries the network, sometimes loses its device while the guest boots; another boot mends that.
boots=3
# Longest time of one command in the guest: installing the package is the longest.
command_limit=400
# Longest life of one boot of the guest.
machine_limit=${RIG_LIMIT:-3600}
# Messages that are acknowledged before the power is cut: half of them wait for a session, of which the broker keeps 1,000.
cut_after=400

user=rig password=a-rig-that-nobody-else-has passphrase='a backup that nobody else opens'
# Lines of the header: the relay's and the door's (guest/pi3.toml).
relay=22 door=17

# The Pi's own disk, and what was read from it: a directory below the cache, which the workshop sees as `pi_inside`.
pi_directory='' pi_inside='' figures=()

# remember NAME VALUE: a figure for the table at the end.
remember() { figures+=("$(printf '%-62s %s' "$1" "$2")"); }

# on_pi COMMAND...: runs a shell command in the guest, as root.
on_pi() { in_workshop timeout "$command_limit" ssh "${ssh_options[@]}" root@127.0.0.1 "$*"; }

# ssh_open: one connection that all commands share, since the key exchange costs an emulated processor a second or two.
ssh_open() {
    local socket=$pi_inside/ssh
    ssh_options=(-q -i /rig/key -p "$ssh_port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
        -o ConnectTimeout=20 -o "ControlPath=$socket" -o ServerAliveInterval=15 -o ServerAliveCountMax=20)
    rm --force "$pi_directory/ssh"
    in_workshop timeout 60 ssh "${ssh_options[@]}" -o ControlMaster=yes -o ControlPersist=yes -f -N root@127.0.0.1 \
        </dev/null >/dev/null 2>&1
}

# latest TOPIC: its retained payload, or the first message within ten seconds; as a phone on the network gets it.
latest() { phone sub -t "$1" -C 1 -W 10 2>/dev/null; }
latest_is() { [[ $(latest "$1") == "$2" ]]; }
latest_near() { near "$(latest "$1")" "$2" "$3"; }

# phone sub|pub ARGUMENT...: an MQTT client on the network.
phone() {
    local what=$1
    shift
    in_workshop "mosquitto_$what" -h 127.0.0.1 -p "$mqtt_port" -u "$user" -P "$password" "$@"
}

# order TOPIC PAYLOAD: a command of the phone.
order() { phone pub -q 1 -t "$1" -m "$2"; }

# page PATH [ARGUMENT...]: asks the page of the guest.
page() {
    local path=$1
    shift
    in_workshop curl --silent --fail --max-time 120 --cookie "$pi_inside/cookies" --cookie-jar "$pi_inside/cookies" "$@" \
        "http://127.0.0.1:$http_port$path"
}

# page_json PATH JSON [ARGUMENT...]: tells the page something.
page_json() {
    local path=$1 json=$2
    shift 2
    page "$path" --header 'content-type: application/json' --data "$json" "$@"
}

# status_of PATH [ARGUMENT...]: the page's status alone.
status_of() {
    local path=$1
    shift
    in_workshop curl --silent --max-time 120 --output /dev/null --write-out '%{http_code}' "$@" "http://127.0.0.1:$http_port$path"
}

# answer FILTER: standard input through jq.
answer() { in_workshop jq --raw-output "$1"; }

# guest_time [OFFSET]: the guest's clock counts for its history.
guest_time() { on_pi date --utc --date "'${1:-now}'" +%FT%TZ; }

# history_points DEVICE PROPERTY: all that the history has of it.
history_points() {
    page "/api/v1/history/$1/$2" --get --data-urlencode "from=$(guest_time -6hours)" --data-urlencode "to=$(guest_time +1min)" \
        --data points=2000
}

# history_has DEVICE PROPERTY VALUE TOLERANCE: whether it ever was so.
history_has() {
    local value
    while read -r value; do
        ! near "$value" "$3" "$4" || return 0
    done < <(history_points "$1" "$2" | answer '.points[] | .min, .max, .last | select(. != null)' | sort --unique)
    return 1
}

# was_recorded DEVICE PROPERTY VALUE: whether a row has exactly this. A chart of hours has no room for a value that stood for a
# second.
was_recorded() {
    page /api/v1/history/export --get --data-urlencode "series=$1/$2" --data format=csv |
        awk -F , -v value="$3" '$5 == value { found = 1 } END { exit !found }'
}

# arrives DEVICE PROPERTY VALUE TOLERANCE: over MQTT, and in the history.
arrives() {
    expect "$1 $2 is $3 over MQTT" soon 90 latest_near "home/$1/$2" "$3" "$4"
    expect "$1 $2 is $3 in the history" soon 90 history_has "$1" "$2" "$3" "$4"
}

# line_is LINE LEVEL: what is on the wire.
line_is() { [[ $(outside level "$1") == "$2" ]]; }

# service_is_up: whether the service says that it is ready.
service_is_up() { on_pi systemctl is-active --quiet gatehouse; }

# ready_within: the milliseconds from the start of the service's process until it said that it is ready.
ready_within() {
    on_pi systemctl show gatehouse --property ExecMainStartTimestampMonotonic --property ActiveEnterTimestampMonotonic |
        awk -F = '{ at[$1] = $2 } END { printf "%d", (at["ActiveEnterTimestampMonotonic"] - at["ExecMainStartTimestampMonotonic"]) / 1000 }'
}

# memory_of_service: its resident memory, and the most that it ever was, in MB.
# shellcheck disable=SC2016 # expanded by awk, in the guest
memory_of_service() {
    on_pi 'awk '\''/^VmRSS:/ { now = $2 } /^VmHWM:/ { most = $2 } END { printf "%.1f MB, %.1f MB at most", now / 1024, most / 1024 }'\'' \
        /proc/$(systemctl show gatehouse --property MainPID --value)/status'
}

# pi_boot: starts the machine with its disk, again where its network did not come up.
pi_boot() {
    local boot
    for ((boot = 1; boot <= boots; boot++)); do
        machine_start pi3 '' "$pi_inside/disk.img"
        soon $boot_limit ssh_open && return
        note "boot $boot did not let us in within $boot_limit s"
        machine_remove
    done
    return 1
}

# tell_of_panic: a guest whose kernel has panicked answers nothing more, which is not the gateway's fault.
tell_of_panic() {
    ! grep --quiet 'Kernel panic' "$machine_directory/console.log" 2>/dev/null ||
        warn "the guest's kernel panicked: $(grep --max-count=1 --text 'pc : ' "$machine_directory/console.log" | tr -d '\r')"
}

# pi_remove: ends the machine, and removes its disk.
pi_remove() {
    machine_remove
    [[ -z $pi_directory ]] || rm --recursive --force "$pi_directory"
    pi_directory=''
}

# accept PACKAGE NAME: the whole acceptance. NAME is where the package came from, or nothing.
accept() {
    local begun=$SECONDS failed_before
    accept_package=$1 accept_name=$2
    pi_directory=$(mktemp --directory "$rig_cache/pi.XXXXXX")
    pi_inside=/rig/${pi_directory##*/}
    cp --sparse=always "$rig_cache/arm64/disk.img" "$pi_directory/disk.img"
    next_package "$accept_package" +accept1 "$pi_directory/newer.deb"
    local name
    for name in boot-first install set-up sensors output input history power-cut upgrade backup purge restore; do
        failed_before=$failed
        step "$name" "pi_${name//-/_}"
        # What follows stands on these.
        ((failed == failed_before)) || tell_of_panic
        case $name in
            boot-first | set-up) ((failed == failed_before)) || die "the rest cannot be tried" "What failed is above." ;;
        esac
    done
    say "Figures (wall clock; the emulated processor is as fast as this machine lets it be)"
    printf '%s\n' "${figures[@]}"
    remember 'all in all' "$((SECONDS - begun)) s"
    printf '%s\n' "${figures[-1]}"
    checked
}

pi_boot_figure() { remember "$1" "$(($2 / 1000)) s"; }

pi_boot_first() {
    local begun
    begun=$(milliseconds)
    expect "it boots and lets us in" pi_boot
    ((failed == 0)) || return 0
    pi_boot_figure 'power on until ssh lets us in' $(($(milliseconds) - begun))
    soon 300 on_pi 'systemctl is-system-running | grep --quiet -E "running|degraded"' || true
    figure "$(on_pi 'tr -d "\0" </proc/device-tree/model; echo; uname -r')"
}

pi_install() {
    local begun
    on_pi 'cat >/var/tmp/gatehouse.deb' <"$accept_package"
    begun=$(milliseconds)
    expect "the package installs" on_pi 'dpkg --install /var/tmp/gatehouse.deb >/var/tmp/dpkg.log 2>&1 || { cat /var/tmp/dpkg.log; false; }'
    remember 'dpkg --install, with the start of the service' "$(($(milliseconds) - begun)) ms"
    expect "it ends with the address of the page" on_pi grep --quiet -E "'http://[^ ]*:8080/'" /var/tmp/dpkg.log
    expect "and with how to get the set-up code" on_pi grep --quiet -E "'gatehouse setup-code'" /var/tmp/dpkg.log
    expect "its service runs" soon 60 service_is_up
    remember 'ready after the start of its process, empty, emulated' "$(ready_within) ms"
    host_figure
    expect "as its own user" is "$(on_pi ps -o user= -C gatehouse)" gatehouse
    # shellcheck disable=SC2016 # expanded in the guest
    local process='/proc/$(systemctl show gatehouse --property MainPID --value)/status'
    expect "with no capability, and none to be had" is \
        "$(on_pi "sed -n 's/^Cap\(Inh\|Prm\|Eff\|Bnd\|Amb\):\t0*\$/\1/p' $process" | wc --lines)" 5
    expect "it can gain no right" on_pi "grep --quiet -P '^NoNewPrivs:\t1' $process"
    expect "and its system calls are filtered" on_pi "grep --quiet -P '^Seccomp:\t2' $process"
    remember 'memory after the start, empty' "$(memory_of_service)"
}

# host_figure: the same on this machine, with the package of the same version beside the other.
host_figure() {
    local other result
    other=${accept_name%_arm64.deb}_$(dpkg --print-architecture).deb
    if [[ -z $accept_name || ! -f $other ]]; then
        remember 'the same on this machine' "not measured: there is no ${other##*/} beside the package"
        return
    fi
    dpkg-deb --extract "$other" "$pi_directory/host"
    if result=$(in_workshop timeout 60 python3 /project/scripts/lib/virtual-pi/outside.py ready \
        "$pi_inside/host/usr/bin/gatehouse" "$pi_inside/host/run"); then
        remember 'the same on this machine' "${result% *} ms"
        remember 'its memory there' "$((${result#* } / 1024)) MB"
    else
        expect "the package of this machine starts" false
    fi
    rm --recursive --force "$pi_directory/host"
}

# setup_code: what the journal says.
setup_code() { on_pi journalctl --unit gatehouse --output cat --no-pager | sed -n 's/^ *Set-up code: *//p' | tail -n 1; }

pi_set_up() {
    local code version run
    expect "the page is served" page / --output /dev/null
    code=$(setup_code)
    expect "the journal has the set-up code" test -n "$code"
    expect "another code is refused" is "$(status_of /api/v1/setup --header 'content-type: application/json' \
        --data "{\"code\":\"AAAA-AAAA\",\"name\":\"$user\",\"password\":\"$password\"}")" 403
    expect "with it the administrator is made" page_json /api/v1/setup \
        "{\"code\":\"$code\",\"name\":\"$user\",\"password\":\"$password\"}" --output /dev/null
    expect "who is logged in by that" is "$(page /api/v1/session | answer .user.name)" "$user"
    expect "the page knows its board" is "$(page /api/v1/house | answer .gateway.board)" \
        "$(on_pi 'tr -d "\0" </proc/device-tree/model')"
    # The kernel's own drivers take two of the chips.
    on_pi 'cd /sys/bus/i2c/devices/i2c-1 && echo emc1413 0x4c >new_device && echo dps310 0x77 >new_device'
    version=$(page /api/v1/configuration | answer .version)
    # shellcheck disable=SC2016 # jq's own variables
    in_workshop jq --null-input --rawfile text /project/scripts/lib/virtual-pi/guest/pi3.toml --arg base "$version" \
        '{$text, $base}' >"$pi_directory/configuration.json"
    expect "the page takes a configuration with its devices" page /api/v1/configuration --request PUT \
        --header 'content-type: application/json' --data "@$pi_inside/configuration.json" --output /dev/null
    # What the configuration says of history holds from the next start on.
    # It takes no restart within the first half minute of a run.
    run=$(page /api/v1/system | answer .run)
    expect "the page restarts the gateway" soon 60 page_json /api/v1/restart "{\"run\":\"$run\"}" --output /dev/null
    expect "and is back in another run" soon 120 is_another_run "$run"
    expect "with its devices" soon 30 page_is_back
}

# is_another_run RUN: whether the gateway has started since that run.
is_another_run() {
    local run
    run=$(page /api/v1/system | answer .run)
    [[ -n $run && $run != "$1" ]]
}

# page_is_back: whether the page knows us, and the devices are there.
page_is_back() { [[ $(page /api/v1/house | answer '[.devices[].id] | contains(["attic"])') == true ]]; }

# What the weather does to the chips.
pi_sensors() {
    # The TMP105 measures in half degrees until it is told otherwise.
    outside set tmp105 temperature 23500
    arrives attic temperature 23.5 0.01
    outside set tmp105 temperature -11500
    arrives attic temperature -11.5 0.01
    outside set emc1413 temperature0 41000
    outside set emc1413 temperature1 17000
    arrives cabinet temperature-1 41 0.2
    arrives cabinet temperature-2 17 0.2
    # The emulated barometer always measures the same: what the formulas of its datasheet make of the registers that QEMU
    # gives it, which are 24.738 °C and 929.47 hPa.
    arrives barometer temperature 24.738 0.06
    arrives barometer pressure 929.47 0.06
}

# relay_on: switches the relay on as a person would, who tries again when a command comes too early after a start.
relay_on() { order home/boiler/power/set ON && soon 5 line_is $relay 1; }

# What is on the wire of the output: the kernel is Debian's, which lets the lines of a dead process go.
pi_output() {
    local begun
    expect "an output that nobody asked for is off" line_is $relay 0
    begun=$(milliseconds)
    order home/boiler/power/set ON
    expect "switched on from a phone, its line is high" soon 20 line_is $relay 1
    remember 'a phone'\''s command to the wire, with starting the phone' "$(($(milliseconds) - begun)) ms"
    expect "and its state is told" soon 20 latest_is home/boiler/power ON
    expect "switched off, it is low" soon 20 relay_off
    expect "and on again" soon 30 relay_on
    begun=$(milliseconds)
    on_pi systemctl kill --signal KILL --kill-whom main gatehouse
    expect "after kill -9 its line is low" soon 10 line_is $relay 0
    remember 'kill -9 to a safe wire, with the ssh command' "$(($(milliseconds) - begun)) ms"
    expect "the daemon comes back" soon 120 service_is_up
    expect "and the line is still low" line_is $relay 0
}
relay_off() { order home/boiler/power/set OFF && soon 5 line_is $relay 0; }

# Somebody opens and shuts a door.
pi_input() {
    local begun
    expect "the door is shut" soon 60 latest_is home/door/state OFF
    for level in 1 0 1; do
        begun=$(milliseconds)
        outside drive $door $level
        expect "driven to $level from outside, the input says $(state_word $level)" soon 30 latest_is home/door/state "$(state_word $level)"
        figure "$(($(milliseconds) - begun)) ms"
    done
}
state_word() { if (($1)); then printf ON; else printf OFF; fi; }

pi_history() {
    local series
    series=$(page /api/v1/history/series)
    expect "the output went on and off in the history" soon 60 history_has boiler power 1 0.01
    expect "off too" soon 60 history_has boiler power 0 0.01
    expect "the door was open in the history" soon 60 history_has door state 1 0.01
    expect "and shut" soon 60 history_has door state 0 0.01
    expect "who switched the output stands in the diary" soon 30 diary_has '.kind == "switched" and .device == "boiler"'
    figure "$(answer 'length' <<<"$series") series"
}

# diary_has FILTER: whether the diary has such an event.
diary_has() { [[ $(page /api/v1/history/events | answer "[.events[] | select($1)] | length") -gt 0 ]]; }

# committed_after TIME: whether the history was committed later than that.
committed_after() { [[ $(page /api/v1/history/status | answer .last_commit) > $1 ]]; }

# acknowledged_at_least COUNT: whether so many messages were.
acknowledged_at_least() { (($(wc --lines <"$pi_directory/acknowledged") >= $1)); }

# Everything that was acknowledged before the power went.
pi_power_cut() {
    local begun writer sentinel acknowledged
    # A phone that is away, and whose messages wait.
    expect "a session that is kept subscribes" phone sub -i keeper -c -q 1 -t cut/queue -E
    # A reading that was committed.
    outside set tmp105 temperature 26500
    arrives attic temperature 26.5 0.01
    sentinel=$(guest_time)
    outside set tmp105 temperature 27000
    expect "the history is committed ($sentinel)" soon 60 committed_after "$sentinel"
    expect "the relay is on" soon 30 relay_on
    expect "somebody is given an account" page_json /api/v1/users '{"name":"late","role":"viewer","password":"made-right-before-the-cut"}' --output /dev/null
    : >"$pi_directory/acknowledged"
    in_workshop python3 /project/scripts/lib/virtual-pi/outside.py write "$mqtt_port" "$user" "$password" "$pi_inside/acknowledged" &
    writer=$!
    expect "$cut_after messages are acknowledged" soon 180 acknowledged_at_least $cut_after
    machine_cut
    wait "$writer" || true
    acknowledged=$(wc --lines <"$pi_directory/acknowledged")
    figure "the power is cut during writes; $acknowledged messages were acknowledged"
    machine_remove
    begun=$(milliseconds)
    expect "it boots by itself" pi_boot
    pi_boot_figure 'the same after the power cut' $(($(milliseconds) - begun))
    expect "the service runs again" soon 180 service_is_up
    remember 'ready after the start of its process, while it boots' "$(ready_within) ms"
    expect "the relay is off" line_is $relay 0
    expect "whoever was logged in still is" soon 60 page_is_back
    expect "the account is there" is "$(page /api/v1/users | answer '[.. | .name? // empty] | contains(["late"])')" true
    retained_is_back
    queue_is_back
    expect "the committed reading is in the history" soon 30 was_recorded attic temperature 26.5
    expect "and those before it" history_has attic temperature -11.5 0.01
    expect "the diary tells of the outage" soon 30 diary_has '.kind == "gateway" and .value == "outage"'
    outside set tmp105 temperature 19000
    arrives attic temperature 19 0.01
    expect "nothing of the system has failed" is "$(on_pi systemctl --failed --no-legend)" ''
}

# retained_is_back: of each topic the last acknowledged message, or one that was written after it.
retained_is_back() {
    local topic number lost=0
    phone sub -t 'cut/kept/+' --retained-only -F '%t %p' -C 8 -W 30 >"$pi_directory/kept" 2>/dev/null || true
    while read -r topic number; do
        awk -v topic="${topic##*/}" -v number="$number" \
            '$1 % 2 == 0 && ($1 / 2) % 8 == topic && $1 > number { bad = 1 } END { exit bad }' "$pi_directory/acknowledged" ||
            lost=$((lost + 1))
    done <"$pi_directory/kept"
    expect "all 8 retained topics are there" is "$(wc --lines <"$pi_directory/kept")" 8
    expect "each with the last acknowledged message or a later one" is $lost 0
}

# queue_is_back: every acknowledged message waits for the session that was away, and none comes twice.
queue_is_back() {
    local wanted lost twice
    awk '$1 % 2' "$pi_directory/acknowledged" | sort >"$pi_directory/wanted"
    wanted=$(wc --lines <"$pi_directory/wanted")
    phone sub -i keeper -c -q 1 -t cut/queue -C "$wanted" -W 60 >"$pi_directory/got" 2>/dev/null || true
    sort "$pi_directory/got" >"$pi_directory/got.sorted"
    lost=$(comm -23 "$pi_directory/wanted" <(uniq "$pi_directory/got.sorted") | wc --lines)
    twice=$(uniq --repeated "$pi_directory/got.sorted" | wc --lines)
    expect "of $wanted messages for a phone that was away none is lost ($lost)" is "$lost" 0
    expect "and none comes twice ($twice)" is "$twice" 0
}

pi_upgrade() {
    local begun watcher
    expect "the relay is on" soon 30 relay_on
    on_pi 'cat >/var/tmp/newer.deb' <"$pi_directory/newer.deb"
    in_workshop timeout "$command_limit" python3 /project/scripts/lib/virtual-pi/outside.py watch \
        "/rig/${machine_directory##*/}" $relay "$pi_inside/levels" &
    watcher=$!
    begun=$(milliseconds)
    expect "a newer package is installed" on_pi 'dpkg --install /var/tmp/newer.deb >/var/tmp/dpkg.log 2>&1 || { cat /var/tmp/dpkg.log; false; }'
    remember 'dpkg --install of the upgrade' "$(($(milliseconds) - begun)) ms"
    expect "the service runs" soon 120 service_is_up
    remember 'ready after the start of its process, upgraded' "$(ready_within) ms"
    : >"$pi_directory/levels.stop"
    wait "$watcher" || true
    expect "the relay's wire went to safe once, and stayed" is "$(cut -d ' ' -f 1 "$pi_directory/levels" | tr '\n' ' ')" '1 0 '
    # shellcheck disable=SC2016 # dpkg-query's own variable
    expect "it is the newer one" on_pi "dpkg-query --show --showformat='\${Version}' gatehouse | grep --quiet accept1"
    expect "whoever was logged in still is" soon 60 page_is_back
    outside set tmp105 temperature 31000
    arrives attic temperature 31 0.01
    expect "the history of before is there" history_has attic temperature 23.5 0.01
    expect "what was retained is there" is "$(phone sub -t cut/kept/1 -C 1 -W 10 2>/dev/null)" \
        "$(sed -n 's,^cut/kept/1 ,,p' "$pi_directory/kept")"
    remember 'memory, upgraded, with devices and history' "$(memory_of_service)"
}

# backup_is_made: whether one waits to be loaded down.
backup_is_made() { [[ $(page /api/v1/backup | answer '.made.bytes // empty') ]]; }

pi_backup() {
    local begun
    begun=$(milliseconds)
    expect "a backup is begun from the page" page_json /api/v1/backup "{\"passphrase\":\"$passphrase\"}" --output /dev/null
    expect "and is made" soon 300 backup_is_made
    remember 'a backup, read again after it was written' "$((($(milliseconds) - begun) / 1000)) s"
    expect "it is loaded down" page /api/v1/backup/file --output "$pi_inside/backup"
    expect "it is encrypted" is "$(head --bytes 21 "$pi_directory/backup")" age-encryption.org/v1
    figure "$(stat --format=%s "$pi_directory/backup") bytes"
    # The same on the command line.
    expect "the command line makes one as well" on_pi "echo '$passphrase' | gatehouse backup /var/tmp/backup.age --passphrase-file - >/dev/null"
    on_pi rm --force /var/tmp/backup.age
}

pi_purge() {
    expect "it is purged" on_pi 'dpkg --purge gatehouse >/var/tmp/dpkg.log 2>&1'
    expect "its output is off" line_is $relay 0
    local path
    for path in /etc/gatehouse /var/lib/gatehouse /usr/bin/gatehouse /run/gatehouse /run/gatehouse-mend.sock; do
        expect "nothing is left at $path" on_pi "! test -e $path"
    done
    expect "nor its user" on_pi '! getent passwd gatehouse'
    expect "nor anything else of that name" is \
        "$(on_pi "find / -xdev \( -path /proc -o -path /sys -o -path /var/tmp -o -path /var/log \) -prune -o -name '*gatehouse*' -print")" ''
    expect "nothing of the system has failed" is "$(on_pi systemctl --failed --no-legend)" ''
}

# logged_in_again: whether the administrator of before can, and the devices are there.
logged_in_again() {
    page_json /api/v1/login "{\"name\":\"$user\",\"password\":\"$password\"}" --output /dev/null && page_is_back
}

# The backup is put back where there is nothing yet.
pi_restore() {
    local code
    rm --force "$pi_directory/cookies"
    expect "it is installed anew" on_pi 'dpkg --install /var/tmp/newer.deb >/var/tmp/dpkg.log 2>&1 || { cat /var/tmp/dpkg.log; false; }'
    expect "its service runs" soon 120 service_is_up
    code=$(setup_code)
    expect "the page takes the backup from whoever has the code" page /api/v1/restore/file --request PUT \
        --header "gatehouse-setup-code: $code" --header 'content-type: application/octet-stream' \
        --upload-file "$pi_inside/backup" --output /dev/null
    expect "and puts it back" page_json /api/v1/restore "{\"passphrase\":\"$passphrase\"}" \
        --header "gatehouse-setup-code: $code" --output /dev/null
    expect "the administrator of before logs in" soon 180 logged_in_again
    expect "the history of before is there" soon 60 history_has attic temperature 23.5 0.01
    outside set tmp105 temperature 12500
    arrives attic temperature 12.5 0.01
    expect "and what was retained" is "$(phone sub -t cut/kept/1 -C 1 -W 10 2>/dev/null)" \
        "$(sed -n 's,^cut/kept/1 ,,p' "$pi_directory/kept")"
}
