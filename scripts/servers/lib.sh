# shellcheck shell=bash
# What the servers of the tests share; sourced by them. Each is `install | start DIR | stop DIR | env DIR`: a server of
# its own in DIR, on loopback alone, on ports that were free, stopped by its process id.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# apt_install PACKAGE...: what is missing, without letting a package start a service.
apt_install() {
  local missing=() package made='' rc=0
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "please install ${missing[*]}"
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    made=yes
  fi
  apt-get update -qq || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || rc=$?
  [ -z "$made" ] || rm -f /usr/sbin/policy-rc.d
  return "$rc"
}

# gone PID: no such process, or a zombie whose parent reaps late.
gone() {
  kill -0 "$1" 2>/dev/null || return 0
  [ "$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null)" = Z ]
}

# wait_until SECONDS COMMAND...: polls the command.
wait_until() {
  local tries=$(($1 * 20))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.05
  done
}

# stop_pid FILE: asks, waits ten seconds, then kills that one process.
stop_pid() {
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  wait_until 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  rm -f "$1"
}

# stop_after PID DIR COMMAND...: runs the command and removes DIR once that process has ended, so that tests which die
# leave nothing behind.
stop_after() {
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.2; done; "${@:3}"; rm -rf "$2"' _ "$@" </dev/null >/dev/null 2>&1 &
}

# free_port: one on 127.0.0.1.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
