# What the booted system is asked, and told. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/steps.sh
source "${BASH_SOURCE[0]%/*}/../steps.sh"
# shellcheck source=scripts/lib/boot/container.sh
source "${BASH_SOURCE[0]%/*}/container.sh"

# What the last installation said.
box_said=''
# Who is the administrator there.
box_user=ana box_password='lamp in the window'

# apt_in_box ARGUMENT...: apt-get there; what it said is in `box_said`.
apt_in_box() {
    step_command="apt-get $*"
    box_said=$(in_box apt-get --quiet --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@" 2>&1) ||
        die "apt-get $* failed in the booted system" "$box_said"
    step_command=''
}

said() { grep --quiet --extended-regexp "$1" <<<"$box_said"; }

# property NAME [UNIT]: what systemd says of the unit.
property() { in_box systemctl show --value --property="$1" "${2:-gatehouse.service}"; }

active() { in_box systemctl is-active --quiet gatehouse.service; }
failed_for_good() { in_box systemctl is-failed --quiet gatehouse.service; }
# another_than PID: whether the daemon runs, and is another process.
another_than() { active && [[ $(property MainPID) != "$1" ]]; }
nothing_failed() { [[ -z $(in_box systemctl --failed --no-legend) ]]; }
# no_errors: whether the journal of this boot has none. It is shown otherwise.
no_errors() { ! in_box journalctl --boot --priority=err --no-pager --quiet | grep . >&2; }
# journal_says TEXT [UNIT]: whether the unit's journal of this boot has it. Read to its end: who writes must not be cut short.
journal_says() { in_box journalctl --boot --no-pager --quiet --unit "${2:-gatehouse.service}" | grep -- "$1" >/dev/null; }
# journal_lacks TEXT [UNIT]: whether it has nothing of it.
journal_lacks() { ! journal_says "$@"; }

# page PATH [ARGUMENT...]: asks the page.
page() {
    local path=$1
    shift
    in_box curl --silent --show-error --fail --max-time 20 --cookie /root/cookies --cookie-jar /root/cookies "$@" \
        "http://127.0.0.1:8080$path"
}

# page_json PATH JSON: tells the page something.
page_json() { page "$1" --header 'content-type: application/json' --data "$2"; }

log_in() { page_json /api/v1/login "{\"name\":\"$box_user\",\"password\":\"$box_password\"}" >/dev/null; }
logged_in() { [[ $(page /api/v1/session 2>/dev/null | jq --raw-output .user.name) == "$box_user" ]]; }
healthy() { [[ $(page /health 2>/dev/null | jq --raw-output .status) == "$1" ]]; }
# warns KIND [TEXT]: whether the page tells of it.
warns() {
    page /api/v1/house | jq --exit-status --arg kind "$1" --arg text "${2:-}" \
        '[.gateway.warnings[] | select(.kind == $kind and (.detail | contains($text)))] | length == 1' >/dev/null
}
# doctor_says TEXT: whether the check-up names it, which ends with 1 where there is a problem.
doctor_says() { { in_box gatehouse doctor || true; } | grep --extended-regexp -- "$1" >/dev/null; }
# checks_up KIND: whether the check-up at the page names it.
checks_up() {
    page /api/v1/doctor | jq --exit-status --arg kind "$1" '[.findings[] | select(.kind == $kind)] | length > 0' >/dev/null
}
# kept_doctor_says TEXT: the same by the program that was kept, since the one that is installed may not run at all.
kept_doctor_says() { { in_box /usr/lib/gatehouse/previous/gatehouse doctor || true; } | grep -- "$1" >/dev/null; }
status_says() { { in_box systemctl status --no-pager gatehouse.service 2>&1 || true; } | grep --extended-regexp -- "$1" >/dev/null; }
runs_version() { [[ $(page /api/v1/system 2>/dev/null | jq --raw-output .version.gatehouse) == "$1" ]]; }

# drop_in UNIT TEXT: lets systemd run the unit a little differently.
drop_in() {
    in_box mkdir --parents "/etc/systemd/system/$1.d"
    printf '%s\n' "$2" | as_root tee "$root/etc/systemd/system/$1.d/trial.conf" >/dev/null
    in_box systemctl daemon-reload
}
drop_out() {
    in_box rm "/etc/systemd/system/$1.d/trial.conf"
    in_box rmdir --ignore-fail-on-non-empty "/etc/systemd/system/$1.d"
    in_box systemctl daemon-reload
}

# set_up: the first visit, whose code is printed as the installation says.
set_up() {
    local code
    code=$(in_box runuser -u gatehouse -- gatehouse setup-code | grep --only-matching --extended-regexp '[0-9A-Z]{4}-[0-9A-Z]{4}')
    page_json /api/v1/setup "{\"code\":\"$code\",\"name\":\"$box_user\",\"password\":\"$box_password\"}" >/dev/null
}

# box_tell: what the journal last said of the gateway, for whoever looks for the reason of a failure.
box_tell() {
    printf '%s\n' "${box_said:-}" >&2
    warn "above is what the last installation said; the journal of the booted system says:"
    in_box journalctl --boot --no-pager --quiet --output=short-monotonic --lines=40 --unit='gatehouse*' >&2 || true
}
