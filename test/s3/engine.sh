# What the engines of this folder have in common. Sourced by swift.sh and ceph.sh, which define `packages`, `programs`, `fresh` (build
# and start in the empty folder $D, write $D/env), `daemons` (start again) and `signal NAME` (to exactly the recorded processes).
set -euo pipefail
LO=127.0.0.1

log() { echo "[$ENGINE] $*" >&2; }

# A free loopback port, chosen by the kernel.
free_port() {
  node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
}

# Each daemon is the leader of a session of its own; $D/pids says which ones are ours.
spawn() {
  local name=$1
  shift
  setsid "$@" >>"$D/log/$name.out" 2>&1 </dev/null &
  echo "$! $name" >>"$D/pids"
  # The shell need not tell how it ended.
  disown
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { log "gave up waiting for $what; the end of its logs:"; tail -n 20 "$D"/log/*.out >&2; return 1; }
    sleep 0.2
  done
}

# Packages start nothing while they are installed: a policy says so, unless the machine has one already.
install() {
  [ "$(id -u)" = 0 ] || { log "only root can install packages"; return 1; }
  local policy=/usr/sbin/policy-rc.d made=0
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=1; fi
  local status=0
  apt-get -o DPkg::Lock::Timeout=300 update -q || log "the lists of packages could not be brought up to date; trying with those that are here"
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends $packages || status=$?
  [ $made = 0 ] || rm -f $policy
  return $status
}

require_installed() {
  local program
  for program in $programs; do
    command -v "$program" >/dev/null || { log "$program is missing: npm run test:s3 -- install $ENGINE (as root, on Debian)"; return 1; }
  done
}

start() {
  require_installed
  D=$(realpath -m "$1")
  export D
  mkdir -p "$D/log"
  [ ${#D} -le 70 ] || { log "$D is too long for a Unix socket; set TMPDIR"; return 1; }
  chmod 700 "$D"
  fresh
  log "ready in $D"
}

stop() { D=$(realpath -m "$1"); export D; [ ! -f "$D/pids" ] || signal TERM; }
kill9() { D=$(realpath -m "$1"); export D; signal KILL; }
restart() { D=$(realpath -m "$1"); export D; daemons; }

# Starts the engine, runs a command with its address in the environment, and removes everything, however the command ends.
run() {
  local status=0
  CHILD=
  RUN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/coffer-s3.XXXXXX")
  trap '[ -z "$CHILD" ] || kill "$CHILD" 2>/dev/null || true; stop "$RUN_DIR"; rm -rf "$RUN_DIR"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  start "$RUN_DIR"
  . "$RUN_DIR/env"
  export S3_ENGINE=$ENGINE S3_ENGINE_SCRIPT=$0 S3_ENGINE_FOLDER=$RUN_DIR
  # In the background: a signal to this shell is acted on at once.
  "$@" &
  CHILD=$!
  wait "$CHILD" || status=$?
  CHILD=
  exit $status
}

write_env() {
  cat >"$D/env" <<ENV
export S3_LOCATION=s3:$1/$BUCKET
export AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=$ACCESS_KEY
export AWS_SECRET_ACCESS_KEY=$SECRET_KEY
ENV
}

main() {
  local verb=${1:-}
  case $verb in
    install | start | stop | kill9 | restart | run) shift; "$verb" "$@" ;;
    *) log "expected install, start FOLDER, stop FOLDER, kill9 FOLDER, restart FOLDER or run COMMAND, got \"$verb\""; return 2 ;;
  esac
}
