# Installs Debian packages, and only those that are missing. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"

# as_root COMMAND...: runs a command as root, through sudo where needed.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*" "Run that command as root, then start this script again."
    fi
}

# apt_has PACKAGE: whether the package is installed.
apt_has() { [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# need_apt REASON PACKAGE...: installs those of the packages that are missing, and says why.
need_apt() {
    local reason=$1 package
    shift
    local missing=()
    for package in "$@"; do
        apt_has "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "missing: ${missing[*]} ($reason)" \
        "This system has no apt-get. Install what these Debian packages hold, then start this script again."
    say "Installing ${missing[*]} with apt ($reason)"
    # The lists of a fresh image are empty or old: they are fetched once a day, and once more when an install fails.
    if [[ -z $(find /var/lib/apt/lists -name '*Packages*' -mtime -1 -print -quit 2>/dev/null) ]]; then
        apt_get update
    fi
    apt_get install "${missing[@]}" || { apt_get update && apt_get install "${missing[@]}"; } ||
        die "apt could not install ${missing[*]}" "Its message is above. Mend that, then start this script again."
}

# apt_get ARGUMENT...: apt-get without questions, with few words, and with patience for another apt at work.
apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

# need_command COMMAND REASON PACKAGE...: like need_apt, but content with the command from wherever it came.
need_command() {
    local command=$1
    shift
    command -v "$command" >/dev/null || need_apt "$@"
}
