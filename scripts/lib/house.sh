# A house that is lived in, in the clean system: what the trials of upgrades, of the way back and of power cuts look at. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/clean-root.sh
source "${BASH_SOURCE[0]%/*}/clean-root.sh"

# Longest time that the daemon may take to say that it is ready, and to end. Its own promise for the end is 15 s.
daemon_limit=30
# The program that is run, where the daemon of the last round answered, and who lives there.
program=/usr/bin/gatehouse address=''
house_user=ana house_password='lamp in the window'
# The time of the first sample in the house's history, in milliseconds: a history of one second each begins two days ago.
house_since=$((($(date +%s) - 2 * 86400) * 1000))

# as_service COMMAND...: in the clean system, as the service's user.
as_service() { in_root setpriv --reuid=gatehouse --regid=gatehouse --init-groups --no-new-privs "$@"; }

# data_directory_made: what systemd would make (StateDirectory=).
data_directory_made() { in_root install --directory --owner=gatehouse --group=gatehouse --mode=0700 /var/lib/gatehouse; }

# daemon_round [COMMAND...]: starts the daemon as its user, asks it for its health, runs these commands of ours while it runs, and
# stops it as systemd would.
daemon_round() {
    local log daemon deadline status=0
    log=$(mktemp)
    # shellcheck disable=SC2016 # expanded by the inner shell, which becomes the daemon
    in_root sh -c 'echo $$ >/run/daemon.pid
        exec setpriv --reuid=gatehouse --regid=gatehouse --init-groups --no-new-privs "$0" run \
            --config /etc/gatehouse/gatehouse.toml --data-dir /var/lib/gatehouse \
            --http 127.0.0.1:0 --mqtt 127.0.0.1:0' "$program" </dev/null >"$log" 2>&1 &
    daemon=$!
    deadline=$((SECONDS + daemon_limit))
    until grep --quiet '^Ready' "$log"; do
        if ! kill -0 "$daemon" 2>/dev/null || ((SECONDS > deadline)); then
            cat "$log" >&2
            die "the daemon did not become ready" "Its output is above."
        fi
        sleep 0.2
    done
    address=$(sed -n 's|^ *Dashboard: *\(http://[^ ]*\)/$|\1|p' "$log")
    expect "the daemon runs as its user and is healthy" curl --silent --show-error --fail --max-time 10 \
        --output /dev/null "$address/health"
    expect "it serves its page" curl --silent --show-error --fail --max-time 10 --output /dev/null "$address/"
    (($# == 0)) || "$@"
    as_root kill -TERM "$(cat "$root/run/daemon.pid")"
    wait "$daemon" || status=$?
    as_root rm "$root/run/daemon.pid"
    ((status == 0)) || cat "$log" >&2
    expect "it ends with 0 when it is asked to" test "$status" -eq 0
    rm "$log"
}

# starts_in_vain FILE [ADDRESS]: the daemon starts and ends by itself, and not well; what it says is in FILE. Its page is to be at
# that address: one of another machine ends a start once all databases are open.
starts_in_vain() {
    local status=0
    as_service timeout "$daemon_limit" "$program" run --config /etc/gatehouse/gatehouse.toml --data-dir /var/lib/gatehouse \
        --http "${2:-127.0.0.1:0}" --mqtt 127.0.0.1:0 </dev/null >"$1" 2>&1 || status=$?
    # 124 is that of timeout.
    ((status != 0 && status != 124))
}

# ask_page PATH [ARGUMENT...]: asks the daemon of this round, as who lives there. `jar` has the session.
ask_page() {
    local path=$1
    shift
    curl --silent --show-error --fail --max-time 20 --cookie "$jar" --cookie-jar "$jar" "$@" "$address$path"
}

log_in_to_house() {
    ask_page /api/v1/login --header 'content-type: application/json' \
        --data "{\"name\":\"$house_user\",\"password\":\"$house_password\"}" >/dev/null
}

# The message that stands for all that the broker keeps.
publish_in_house() {
    local jar status=0
    jar=$(mktemp)
    # shellcheck disable=SC2015 # whichever fails
    log_in_to_house && ask_page /api/v1/messages --header 'content-type: application/json' \
        --data '{"topic":"garden/gate","payload":"closed","retain":true}' || status=1
    rm "$jar"
    return "$status"
}

# live_in: makes a lived-in house of one whose gateway has stopped, in the forms of its own release.
live_in() {
    # shellcheck disable=SC2016 # expanded in the root
    in_root sh -c 'echo "# kept" >>/etc/gatehouse/gatehouse.toml; echo kept >/var/lib/gatehouse/mark
        echo "$1" | setpriv --reuid=gatehouse --regid=gatehouse --init-groups \
            gatehouse user add "$0" --role admin --password-stdin --data-dir /var/lib/gatehouse >/dev/null' \
        "$house_user" "$house_password"
    daemon_round publish_in_house >/dev/null
    forms fill "$house_since"
}

# forms WORD [ARGUMENT...]: works on the data of the house (scripts/lib/forms), or on that directory below it.
forms() {
    local word=$1
    shift
    as_root scripts/lib/forms "$word" "$root/var/lib/gatehouse${forms_below:-}" "$@"
}

# forms_are TEXT [DIRECTORY]: whether these are the forms of the databases.
forms_are() {
    local forms_below=${2:-}
    [[ $(forms tell) == "$1" ]]
}

# house_is_kept: what stood in the configuration and in the data before is still there.
house_is_kept() {
    expect "the configuration is kept" in_root grep --quiet '^# kept$' /etc/gatehouse/gatehouse.toml
    expect "and the data" in_root test -e /var/lib/gatehouse/mark
    expect "with its people" quietly people_are_kept
}
people_are_kept() { as_service "$program" user list --data-dir /var/lib/gatehouse | grep "^${house_user}[[:space:]]"; }

# house_answers: what was kept before is what the daemon of this round works with.
house_answers() {
    local jar
    jar=$(mktemp)
    expect "who lived there logs in with the password of before" log_in_to_house
    expect "the retained message of before is there" retains closed
    expect "all 60000 samples of before are in the history" history_is_whole
    expect "and so are the totals of counters" as_root grep --quiet --text '"garden/total":{"value":4711,' \
        "$root/var/lib/gatehouse/board.state"
    rm "$jar"
}
retains() { ask_page '/api/v1/messages/retained?filter=garden/gate' | grep "\"payload\":\"$1\"" >/dev/null; }
# A header, then a line for each: time,series,kind,unit,value,quality. Their values are 0 to 99, again and again.
history_is_whole() {
    local found
    found=$(ask_page '/api/v1/history/export?series=kitchen/temperature&format=csv' |
        awk -F , '/,kitchen\/temperature,/ { count++; sum += $5 } END { print count, sum }') && [[ $found == '60000 2970000' ]]
}

# nothing_is_left: whether a purge has left nothing, the packages that are tried aside. What it has left is shown. Logs and caches of
# apt itself do not count.
nothing_is_left() {
    local left
    left=$(in_root find / -xdev \( -path /proc -o -path /sys -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \
        -o -path /gatehouse.deb -o -path /next.deb \) -prune -o -name '*gatehouse*' -print)
    [[ -z $left ]] || { printf 'left: %s\n' "$left" >&2; return 1; }
    ! in_root getent passwd gatehouse >/dev/null
}
