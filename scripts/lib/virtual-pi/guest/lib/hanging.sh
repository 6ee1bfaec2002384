# A disk for the data that can be made to hang, and clients that were there before it did. Sourced in the guest.
# shellcheck shell=bash
# shellcheck disable=SC2154 # user, password, data and page are set by lib/gatehouse.sh

# dmsetup makes its devices itself, and waits for no rule of udev.
export DM_DISABLE_UDEV=1
disk_image=/var/tmp/data.img

# disk_make: moves the data to a disk of its own.
disk_make() {
    local loop
    systemctl stop gatehouse
    truncate --size=160M "$disk_image"
    mkfs.ext4 -q -F "$disk_image" && loop=$(losetup --find --show "$disk_image") && modprobe dm-mod || return 1
    quietly dmsetup create data --table "0 $(blockdev --getsz "$loop") linear $loop 0" && mount /dev/mapper/data /mnt || return 1
    cp --archive "$data/." /mnt/ && rmdir /mnt/lost+found && umount /mnt && mount /dev/mapper/data "$data"
}

# disk_remove: takes it away; the data is as it was before.
disk_remove() {
    systemctl stop gatehouse
    umount "$data"
    quietly dmsetup remove data
    losetup --detach-all
    rm "$disk_image"
}

# disk_hangs [cold]: from now on the disk answers nobody: neither who reads what is not known in memory, nor who writes. "cold" is one
# of which nothing is known.
disk_hangs() {
    quietly dmsetup suspend --noflush --nolockfs data || return 1
    [[ -z ${1:-} ]] || echo 3 >/proc/sys/vm/drop_caches
}

# disk_answers: it does its work again, with all that waits.
disk_answers() { quietly dmsetup resume data; }

# waits_for_ever read|write: whether who does so is still at it after two seconds and a signal that nobody can refuse.
waits_for_ever() {
    case $1 in
        read) dd if="$data/never-read" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null & ;;
        write) dd if=/dev/zero of="$data/never-written" bs=4k count=1 conv=fsync 2>/dev/null & ;;
    esac
    local waiting=$!
    disown
    sleep 1
    kill -KILL "$waiting" 2>/dev/null
    sleep 1
    [[ $(ps -o state= -p "$waiting") == D* ]]
}

# phones_connect: those that were there before: one that switches, one that publishes, one that listens, and an open page.
phones_connect() {
    kept=0
    rm -f /run/phone-*
    phone boiler 5 -q 0 -t home/boiler/power/set
    phone lamp 6 -q 0 -t home/lamp/power/set
    phone keeper 7 -q 1 -t notes/kept -r -d
    phone passer 8 -q 0 -t notes/passing
    stdbuf --output=L mosquitto_sub -h 127.0.0.1 -u "$user" -P "$password" -i listener -v -t home/hall/temperature -t notes/passing \
        >/run/phone-heard 2>/dev/null &
    phones+=($!)
    curl --silent --no-buffer --cookie /run/cookies "$page/api/v1/events" >/run/phone-page &
    phones+=($!)
    soon 30 heard home/hall/temperature
}
phones=()

# phone NAME DESCRIPTOR OPTION...: publishes each line that is written to the descriptor.
phone() {
    local name=$1 descriptor=$2
    shift 2
    mkfifo "/run/phone-$name"
    stdbuf --output=L mosquitto_pub -h 127.0.0.1 -u "$user" -P "$password" -i "$name" -l "$@" <"/run/phone-$name" >"/run/phone-$name.log" 2>&1 &
    phones+=($!)
    eval "exec $descriptor<>/run/phone-$name"
}

phones_leave() {
    exec 5>&- 6>&- 7>&- 8>&-
    { kill "${phones[@]}" && wait "${phones[@]}"; } 2>/dev/null
    phones=()
}

# order boiler|lamp WORD, keep TEXT, say_once TEXT: what they publish.
order() { if [[ $1 == boiler ]]; then printf '%s\n' "$2" >&5; else printf '%s\n' "$2" >&6; fi; }
keep() { printf '%s\n' "$*" >&7; kept=$((kept + 1)); }
say_once() { printf '%s\n' "$*" >&8; }

# acknowledged_all: whether all that is to be kept was acknowledged.
acknowledged_all() { [[ $(grep --count 'received PUBACK' /run/phone-keeper.log) == "$kept" ]]; }
heard() { grep --quiet --fixed-strings --regexp="$1" /run/phone-heard; }
streamed() { grep --quiet --regexp="$1" /run/phone-page; }

# log_in_meanwhile: somebody new, who does not get through.
log_in_meanwhile() {
    curl --silent --max-time 60 --output /dev/null --header 'content-type: application/json' \
        --data "{\"name\":\"$user\",\"password\":\"$password\"}" "$page/api/v1/login"
}

code() { curl --silent --output /dev/null --max-time 30 --write-out '%{http_code}' "$@"; }
page_answers() { curl --silent --fail --max-time 5 "$page/" | grep --quiet --ignore-case '<html'; }
health() { curl --silent --max-time 5 "$page/health" | jq --raw-output .status; }
health_is() { [[ $(health) == "$1" ]]; }
hanging() {
    curl --silent --fail --max-time 30 --cookie /run/cookies "$page/api/v1/house" |
        jq --raw-output '.gateway.warnings[] | select(.kind == "part_hangs") | .detail'
}
metric() { curl --silent --fail --max-time 30 --user "$user:$password" "$page/metrics" | sed -n "s/^gatehouse_warning{kind=\"$1\"} //p"; }

main_pid() { systemctl show gatehouse --property MainPID --value; }
restarts() { systemctl show gatehouse --property NRestarts --value; }
# state: what systemd says of the service: whether it is active, the result so far, and more precisely.
state() { systemctl show gatehouse --property ActiveState --property Result --property SubState | sort | cut --delimiter== --fields=2 | paste --serial --delimiters=' '; }
status_line() { systemctl show gatehouse --property StatusText --value; }
process_is_gone() { [[ ! -e /proc/$pid ]]; }

# states SECONDS: tells what systemd makes of it in this time.
states() {
    local before='' now until
    until=$(($(milliseconds) + $1 * 1000))
    while (($(milliseconds) < until)); do
        now=$(state)
        [[ $now == "$before" ]] || figure "$(($(milliseconds) - begun)) ms: $now"
        before=$now
        sleep 2
    done
}

# recorded FROM TO: what history has of the hall's temperature between two times, in seconds since 1970, five seconds a point.
recorded() {
    curl --silent --fail --max-time 30 --cookie /run/cookies --get "$page/api/v1/history/hall/temperature" --data-urlencode "from=$(date --utc --date "@$1" +%FT%TZ)" \
        --data-urlencode "to=$(date --utc --date "@$2" +%FT%TZ)" --data "points=$((($2 - $1) / 5 + 1))"
}
seconds='def seconds: sub("\\.[0-9]*Z$"; "Z") | fromdateiso8601;'

# history_tells FROM TO: what it has, in words.
history_tells() {
    recorded "$1" "$2" | jq --raw-output --argjson from "$1" --argjson to "$2" "$seconds"'
        "\([.points[].count] | add // 0) values in \($to - $from) s; gaps: " +
        ([.gaps[] | "\(.why) from \((.from | seconds) - $from) s to \((.to | seconds) - $from) s"] | join(", "))'
}

# history_is_honest FROM TO [SPARED]: whether each ten seconds in between have a value, or are in a gap, but for so many.
history_is_honest() {
    recorded "$1" "$2" | jq --argjson from "$1" --argjson to "$2" "$seconds"'
        ([.points[] | select(.count > 0) | .at | seconds]) as $values | ([.gaps[] | [(.from | seconds), (.to | seconds)]]) as $gaps |
        [range($from; $to - 10; 5) | . as $at | select(
            ([$values[] | select(. >= $at - 5 and . <= $at + 10)] | length == 0) and
            ([$gaps[] | select(.[0] <= $at + 10 and .[1] >= $at)] | length == 0)) | . - $from]' >/run/missing
    jq --exit-status --argjson spared "${3:-0}" 'length <= $spared' /run/missing >/dev/null
}
