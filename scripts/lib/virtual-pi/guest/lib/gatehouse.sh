# The daemon as a person sees it: its configuration, its service, its topics and its history. Sourced in the guest.
# shellcheck shell=bash

user=rig password=a-rig-that-nobody-else-has
data=/var/lib/gatehouse
configuration=/etc/gatehouse/gatehouse.toml
page=http://127.0.0.1:8080

# install_package: installs it, with its user and a login for the jobs.
install_package() {
    dpkg --install ./gatehouse.deb >/run/dpkg.log 2>&1 || { cat /run/dpkg.log; return 1; }
    as_service gatehouse user add "$user" --role admin --password-stdin --data-dir "$data" <<<"$password" >/run/user.log 2>&1 ||
        { cat /run/user.log; return 1; }
}

# as_service COMMAND...: runs a command with the rights of the service.
as_service() { setpriv --reuid=gatehouse --regid=gatehouse --groups=gpio,i2c,spi --no-new-privs "$@"; }

# configure: makes standard input the configuration, checks it, and starts the daemon afresh: without history.
configure() {
    systemctl stop gatehouse
    cat >"$configuration"
    chown gatehouse:gatehouse "$configuration"
    as_service gatehouse check "$configuration" >/run/check.log 2>&1 || { cat /run/check.log; return 1; }
    systemctl reset-failed gatehouse
    start_daemon
}

# start_daemon: starts the service, which returns when it is ready.
start_daemon() {
    systemctl start gatehouse || {
        journalctl --unit gatehouse --output cat --no-pager --lines 30
        return 1
    }
}

# configuration_is_known: whether the daemon knows what standard input configures; says why not.
configuration_is_known() {
    cat >/run/try.toml
    gatehouse check /run/try.toml >/run/check.log 2>&1
}

# latest TOPIC: the retained payload of a topic, or the first that comes within 5 s.
latest() {
    mosquitto_sub -h 127.0.0.1 -u "$user" -P "$password" -t "$1" -C 1 -W 5 2>/dev/null
}

# latest_is TOPIC PAYLOAD
latest_is() { [[ $(latest "$1") == "$2" ]]; }

# latest_near TOPIC VALUE TOLERANCE
latest_near() { near "$(latest "$1")" "$2" "$3"; }

# command TOPIC PAYLOAD: publishes a command and waits for the broker's acknowledgement.
command_topic() { mosquitto_pub -h 127.0.0.1 -u "$user" -P "$password" -q 1 -t "$1" -m "$2"; }

# login: a session with the page, kept in a cookie file.
login() {
    curl --silent --fail --cookie-jar /run/cookies --header 'content-type: application/json' \
        --data "{\"name\":\"$user\",\"password\":\"$password\"}" "$page/api/v1/login" >/dev/null
}

# house FILTER: what the page knows, through jq.
house() { curl --silent --fail --cookie /run/cookies "$page/api/v1/house" | jq --raw-output "$1"; }

# history_last DEVICE PROPERTY: the last value that the history has of the last ten minutes.
history_last() {
    curl --silent --fail --cookie /run/cookies --get "$page/api/v1/history/$1/$2" \
        --data-urlencode "from=$(date --utc --date '-10 minutes' +%FT%TZ)" \
        --data-urlencode "to=$(date --utc --date '+1 minute' +%FT%TZ)" --data points=600 |
        jq --raw-output '[.points[] | select(.last != null)] | last | .last'
}

# history_near DEVICE PROPERTY VALUE TOLERANCE
history_near() { near "$(history_last "$1" "$2")" "$3" "$4"; }

# journal: what the daemon said since its last start.
journal() {
    journalctl --output cat --no-pager "_SYSTEMD_INVOCATION_ID=$(systemctl show gatehouse --property InvocationID --value)"
}
