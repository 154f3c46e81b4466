# shellcheck shell=bash
# Functions of the scripts that start the servers of the tests; they source it. Each script is `install | start DIR |
# stop DIR | env DIR`: a private server in DIR, on loopback alone, stopped by its process id.
set -eEuo pipefail

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
# No script fails without a word: this prints the command that failed, and where it stands.
trap 'say "$0: ${BASH_SOURCE[0]##*/} line $LINENO: failed with status $?: $BASH_COMMAND"' ERR

now_ms() { date +%s%3N; }

# die_with MESSAGE LOG...: prints the end of each log, too.
die_with() {
  local log
  for log in "${@:2}"; do
    [ ! -s "$log" ] || { say "the end of $log:"; tail -n 40 "$log" >&2; }
  done
  die "$1"
}

# logged LOG COMMAND...: writes what the command prints to the log, and prints the end of the log if the command fails.
logged() {
  "${@:2}" >"$1" 2>&1 || die_with "failed with status $?: ${*:2}" "$1"
}

# missing PACKAGE...: those that are not installed.
missing() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || printf '%s\n' "$package"
  done
}

# apt_install PACKAGE...: installs what is missing, without letting a package start a service; tries three times. Only one
# process of a machine installs at a time.
apt_install() {
  local wanted
  wanted=$(missing "$@")
  [ -n "$wanted" ] || return 0
  [ "$(id -u)" = 0 ] || die "please install ${wanted//$'\n'/ }"
  (
    flock 8
    # No process that a package leaves running may hold the lock.
    install_missing "$@" 8>&-
  ) 8>/var/cache/apt/auth-servers.lock
}

install_missing() {
  local packages made='' rc=0 try
  mapfile -t packages < <(missing "$@")
  [ ${#packages[@]} -gt 0 ] || return 0
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    made=yes
  fi
  for try in 1 2 3; do
    rc=0
    apt_patiently update || say "apt-get update failed; it was try $try of 3"
    apt_patiently install -y --no-install-recommends "${packages[@]}" >&2 || rc=$?
    [ "$rc" != 0 ] || break
    say "apt-get install failed; it was try $try of 3"
    [ "$try" = 3 ] || sleep $((try * 5))
  done
  [ -z "$made" ] || rm -f /usr/sbin/policy-rc.d
  return "$rc"
}

# Waits for other processes that install, and repeats a failed download.
apt_patiently() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 "$@"
}

# gone PID: no process has this id, or it is a zombie without threads, whose parent has not waited for it.
gone() {
  kill -0 "$1" 2>/dev/null || return 0
  [ "$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null)" = Z ] &&
    [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]
}

# alive FILE: the process whose id is in the file runs.
alive() { [ -s "$1" ] && ! gone "$(cat "$1")"; }

# wait_until SECONDS COMMAND...: polls the command.
wait_until() {
  local tries=$(($1 * 20))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.05
  done
}

# wait_for SECONDS FILE COMMAND...: polls the command while the process whose id is in the file runs.
wait_for() {
  local file=$2
  succeeded_or_dead() { "$@" || ! alive "$file"; }
  wait_until "$1" succeeded_or_dead "${@:3}" && "${@:3}" >/dev/null 2>&1
}

# stop_pid FILE [SECONDS]: asks the process to end, waits (ten seconds if nothing else is said), then kills it.
stop_pid() {
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  wait_until "${2:-10}" gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  rm -f "$1"
}

# stop_after PID DIR COMMAND...: runs the command and removes DIR when the process has ended, so that killed tests leave
# nothing behind.
stop_after() {
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.2; done; "${@:3}"; rm -rf "$2"' _ "$@" </dev/null >/dev/null 2>&1 &
}

# What takes long to make or to download; it stays for later runs. `.ci/run` has a new one each time.
AUTH_TEST_CACHE=${AUTH_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/auth-tests}

# public_folder: makes and prints a temporary folder that servers which run as other users may enter.
public_folder() {
  local folder
  folder=$(mktemp -d)
  chmod 755 "$folder"
  printf '%s\n' "$folder"
}

# template NAME COMMAND...: prints the path of a data folder that COMMAND FOLDER has filled, once for each cache.
template() {
  local made=$AUTH_TEST_CACHE/$1 new
  if [ ! -d "$made" ]; then
    mkdir -p "${made%/*}"
    new=$(mktemp -d "$made.XXXXXX")
    "${@:2}" "$new" >&2
    # Another process may have made it meanwhile.
    mv -T "$new" "$made" 2>/dev/null || rm -rf "$new"
  fi
  printf '%s\n' "$made"
}

# free_port: prints a port that is free on 127.0.0.1.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# free_base_port: prints a value for AUTH_TEST_PORT such that every port which follows from it is free.
free_base_port() {
  python3 - <<'PYTHON'
import random, socket

def free(port, address):
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True

# MariaDB, MySQL, PostgreSQL and the lone server, then the three nodes of a cluster with four ports each.
wanted = [(offset, 1) for offset in (0, 1, 2, 4, 10)] + [(1000 + port, node) for port in range(4) for node in (1, 2, 3)]
# Linux gives outgoing connections ports from 32768 on.
bases = random.sample(range(20000, 31000, 20), 100)
print(next(base for base in bases if all(free(base + offset, f"127.0.0.{node}") for offset, node in wanted)))
PYTHON
}
