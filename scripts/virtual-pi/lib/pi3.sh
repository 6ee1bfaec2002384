# The acceptance of the package on an emulated Raspberry Pi 3B, driven from outside as a phone and the weather would.
# Sourced from the root of the checkout.
#
# The chips are QEMU's, written by others: they and the daemon's drivers cannot share a mistake.
# shellcheck shell=bash
# shellcheck source=scripts/virtual-pi/lib/machine.sh
source "${BASH_SOURCE[0]%/*}/machine.sh"
# shellcheck source=scripts/virtual-pi/guest/lib/check.sh
source "${BASH_SOURCE[0]%/*}/../guest/lib/check.sh"

# Longest time until the guest lets us in: a boot takes half a minute on an idle machine, and minutes on a busy one.
boot_limit=300
# The emulated USB, which carries the network, sometimes loses its device while the guest boots; another boot mends that.
boots=3
user=rig password=a-rig-that-nobody-else-has

# on_pi COMMAND...: runs a shell command in the guest, as root.
on_pi() {
    in_workshop timeout 300 ssh -q -i /rig/key -p "$ssh_port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -o ConnectTimeout=15 root@127.0.0.1 "$*"
}

# latest TOPIC: its retained payload, or the first message within ten seconds; as a phone on the network gets it.
latest() {
    in_workshop mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -u "$user" -P "$password" -t "$1" -C 1 -W 10 2>/dev/null
}
latest_is() { [[ $(latest "$1") == "$2" ]]; }
latest_near() { near "$(latest "$1")" "$2" "$3"; }

# order TOPIC PAYLOAD: a command of the phone.
order() { in_workshop mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -u "$user" -P "$password" -q 1 -t "$1" -m "$2"; }

# page PATH [ARGUMENT...]: asks the page of the guest.
page() {
    local path=$1
    shift
    in_workshop curl --silent --fail --max-time 60 --cookie "/rig/${machine_directory##*/}/cookies" \
        --cookie-jar "/rig/${machine_directory##*/}/cookies" "$@" "http://127.0.0.1:$http_port$path"
}

# history_near DEVICE PROPERTY VALUE TOLERANCE: the last value of the history. The guest's clock counts.
history_near() {
    local value
    value=$(page "/api/v1/history/$1/$2" --get --data-urlencode "from=$(on_pi date --utc --date -10min +%FT%TZ)" \
        --data-urlencode "to=$(on_pi date --utc --date +1min +%FT%TZ)" --data points=600 |
        in_workshop jq --raw-output '[.points[] | select(.last != null)] | last | .last')
    near "$value" "$3" "$4"
}

# arrives DEVICE PROPERTY VALUE TOLERANCE: over MQTT, and in the history.
arrives() {
    expect "$1 $2 is $3 over MQTT" soon 60 latest_near "home/$1/$2" "$3" "$4"
    expect "$1 $2 is $3 in the history" soon 60 history_near "$1" "$2" "$3" "$4"
}

# line_is LINE LEVEL: what is on the wire.
line_is() { [[ $(outside level "$1") == "$2" ]]; }

# pi3 DIRECTORY: the whole acceptance with the package of that directory.
pi3() {
    local begun
    begun=$(milliseconds)
    say "Starting an emulated Raspberry Pi 3B"
    expect "it boots and lets us in" pi3_boot
    ((failed == 0)) || { checked; return; }
    soon 300 on_pi 'systemctl is-system-running | grep --quiet -E "running|degraded"' || true
    figure "$(on_pi 'tr -d "\0" </proc/device-tree/model; echo; uname -r') after $((($(milliseconds) - begun) / 1000)) s"
    pi3_install "$1"
    pi3_chips
    pi3_outputs
    pi3_upgrade
    pi3_purge
    expect "nothing of the system has failed" is "$(on_pi systemctl --failed --no-legend)" ''
    figure "$((($(milliseconds) - begun) / 1000)) s in all"
    checked
}

# pi3_boot: starts the machine, again where its network did not come up.
pi3_boot() {
    local boot
    for ((boot = 1; boot <= boots; boot++)); do
        machine_start pi3 ''
        soon $boot_limit on_pi true && return
        note "boot $boot did not let us in within $boot_limit s"
        machine_remove
    done
    return 1
}

pi3_install() {
    on_pi 'cat >/var/tmp/gatehouse.deb' <"$1/gatehouse.deb"
    expect "the package installs" on_pi 'dpkg --install /var/tmp/gatehouse.deb >/var/tmp/dpkg.log 2>&1 || { cat /var/tmp/dpkg.log; false; }'
    expect "its service runs" soon 60 on_pi systemctl is-active --quiet gatehouse
    expect "as its own user" is "$(on_pi ps -o user= -C gatehouse)" gatehouse
    expect "a user is added" on_pi "echo $password | setpriv --reuid=gatehouse --regid=gatehouse --clear-groups \
        gatehouse user add $user --role admin --password-stdin --data-dir /var/lib/gatehouse >/dev/null"
    # The kernel's own drivers take two of the chips.
    on_pi 'cd /sys/bus/i2c/devices/i2c-1 && echo emc1413 0x4c >new_device && echo dps310 0x77 >new_device'
    # The configuration: the chips of the header's bus, and two outputs.
    on_pi 'cat >/etc/gatehouse/gatehouse.toml' <scripts/virtual-pi/guest/pi3.toml
    expect "the configuration is good" on_pi gatehouse check /etc/gatehouse/gatehouse.toml
    expect "the daemon starts with it" on_pi systemctl restart gatehouse
    expect "the page lets us in" page /api/v1/login --header 'content-type: application/json' \
        --data "{\"name\":\"$user\",\"password\":\"$password\"}" --output /dev/null
    expect "it knows its board" is "$(page /api/v1/house | in_workshop jq --raw-output .gateway.board)" \
        "$(on_pi 'tr -d "\0" </proc/device-tree/model')"
}

# What the weather does to the chips.
pi3_chips() {
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

# What is on the wires of the outputs: the kernel is Debian's, which lets the lines of a dead process go.
pi3_outputs() {
    expect "an output that nobody asked for is off" line_is 22 0
    order home/boiler/power/set ON
    expect "switched on from a phone, its line is high" soon 20 line_is 22 1
    expect "and its state is told" soon 20 latest_is home/boiler/power ON
    on_pi systemctl kill --signal KILL --kill-whom main gatehouse
    expect "after a kill its line is low" soon 10 line_is 22 0
    expect "and the daemon comes back" soon 120 on_pi systemctl is-active --quiet gatehouse
}

pi3_upgrade() {
    expect "it is installed over itself" on_pi 'dpkg --install /var/tmp/gatehouse.deb >/var/tmp/dpkg.log 2>&1'
    expect "the service runs" soon 60 on_pi systemctl is-active --quiet gatehouse
    outside set tmp105 temperature 31000
    expect "the configuration and the user are still there" soon 60 latest_near home/attic/temperature 31 0.01
}

pi3_purge() {
    expect "it is purged" on_pi 'dpkg --purge gatehouse >/var/tmp/dpkg.log 2>&1'
    local path
    for path in /etc/gatehouse /var/lib/gatehouse /usr/bin/gatehouse /run/gatehouse; do
        expect "nothing is left at $path" on_pi "! test -e $path"
    done
    expect "nor its user" on_pi '! getent passwd gatehouse'
}
