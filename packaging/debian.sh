# Sourced: packages of Debian, whatever release of it this host has, by apt and without rights.

# $1: a folder to keep lists in; $2: Debian's name of the architecture; then lines of sources.list. Sets `apt` to an apt-get
# for these.
use_debian() {
    mkdir -p "$1"/{lists,archives}/partial
    touch "$1/status"
    printf '%s\n' "${@:3}" >"$1/sources.list"
    apt="apt-get -qq -o APT::Architecture=$2 -o APT::Architectures=$2 -o Acquire::Languages=none -o APT::Sandbox::User=
        -o Dir::State=$1 -o Dir::State::status=$1/status -o Dir::Cache=$1 -o Dir::Etc::sourcelist=$1/sources.list
        -o Dir::Etc::sourceparts=/dev/null"
    $apt update
}
