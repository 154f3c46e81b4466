# shellcheck shell=bash
# What the servers of the tests share; sourced by them. Each is `install | start DIR | stop DIR | env DIR`: a server of
# its own in DIR, on loopback alone, stopped by its process id.
set -euo pipefail

now_ms() { date +%s%3N; }
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# missing PACKAGE...: those that are not installed.
missing() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || printf '%s\n' "$package"
  done
}

# apt_install PACKAGE...: what is missing, without letting a package start a service. One after the other on a machine;
# what fails is tried three times.
apt_install() {
  local wanted
  wanted=$(missing "$@")
  [ -n "$wanted" ] || return 0
  [ "$(id -u)" = 0 ] || die "please install ${wanted//$'\n'/ }"
  (
    flock 8
    # Nothing that a package leaves running may hold the lock.
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

# Others may be at it, and mirrors may hang up.
apt_patiently() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 "$@"
}

# gone PID: no such process, or a zombie without a thread left, whose parent reaps late.
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

# stop_pid FILE [SECONDS]: asks, waits ten seconds or as told, then kills that one process.
stop_pid() {
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  wait_until "${2:-10}" gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  rm -f "$1"
}

# stop_after PID DIR COMMAND...: runs the command and removes DIR once that process has ended, so that tests which die
# leave nothing behind.
stop_after() {
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.2; done; "${@:3}"; rm -rf "$2"' _ "$@" </dev/null >/dev/null 2>&1 &
}

# template NAME COMMAND...: prints where a data folder is that COMMAND FOLDER has filled, once for all runs on this machine.
template() {
  local made=${XDG_CACHE_HOME:-$HOME/.cache}/auth-servers/$1 new
  if [ ! -d "$made" ]; then
    mkdir -p "${made%/*}"
    new=$(mktemp -d "$made.XXXXXX")
    "${@:2}" "$new" >&2
    # Another run may have been first.
    mv -T "$new" "$made" 2>/dev/null || rm -rf "$new"
  fi
  printf '%s\n' "$made"
}

# free_port: one on 127.0.0.1.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
