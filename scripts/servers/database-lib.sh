# shellcheck shell=bash
# What the database servers of the tests share; sourced by them.
now_ms() { date +%s%3N; }
die() { echo "error: $*" >&2; exit 1; }
say() { echo "$*" >&2; }

# apt_install PKG... : only what dpkg does not have yet; never lets a package start a service.
apt_install() {
  local missing=() p
  for p in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local made=0
  if [ ! -e /usr/sbin/policy-rc.d ]; then      # 101 = "starting a service is forbidden"
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; made=1
  fi
  apt-get update -qq
  local rc=0
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || rc=$?
  if [ $made = 1 ]; then rm -f /usr/sbin/policy-rc.d; fi
  return $rc
}

dead_pid() { # gone, or a zombie with no other task left (pid 1 may reap late)
  kill -0 "$1" 2>/dev/null || return 0
  [ "$(awk '/^State/{print $2}' "/proc/$1/status" 2>/dev/null)" = Z ] && [ "$(ls "/proc/$1/task" 2>/dev/null | wc -l)" -le 1 ]
}
alive() { [ -s "$1" ] && ! dead_pid "$(cat "$1")"; }

# stop_pid PIDFILE [SECONDS] [SIGNAL] : SIGTERM, wait, then SIGKILL that one pid. Never by name.
stop_pid() {
  local f=$1 t=${2:-20} sig=${3:-TERM} pid i
  [ -s "$f" ] || return 0
  pid=$(cat "$f")
  kill -"$sig" "$pid" 2>/dev/null || { rm -f "$f"; return 0; }
  for ((i = 0; i < t * 20; i++)); do
    if dead_pid "$pid"; then rm -f "$f"; return 0; fi
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true; rm -f "$f"; say "had to SIGKILL $pid"
}

# wait_for SECONDS PIDFILE CMD... : poll CMD each 50 ms while the pid lives
wait_for() {
  local t=$1 pf=$2 i; shift 2
  for ((i = 0; i < t * 20; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    if [ "$i" -gt 10 ] && ! alive "$pf"; then return 1; fi
    sleep 0.05
  done
  return 1
}

free_port() { python3 - "${1:-127.0.0.1}" <<'PY'
import socket, sys
s = socket.socket(); s.bind((sys.argv[1], 0)); print(s.getsockname()[1])
PY
}
