#!/usr/bin/env bash
# OpenStack Swift with its S3 interface, one node, from Debian's packages: loopback only, no systemd, nothing in /etc, no root needed.
ENGINE=swift
. "$(dirname "$0")/engine.sh"
packages="swift-proxy swift-account swift-container swift-object memcached"
programs="swift-proxy-server swift-object-server swift-ring-builder memcached curl"
ACCESS_KEY=test:tester SECRET_KEY=testing-secret BUCKET=testbucket WORKERS=2

port() { awk -v name="$1" '$1 == name { print $2 }' "$D/ports"; }

write_rings_and_servers() {
  local type workers
  for type in proxy account container object memcached; do echo "$type $(free_port)"; done >"$D/ports"
  printf '[swift-hash]\nswift_hash_path_suffix = %s\n[storage-policy:0]\nname = Policy-0\ndefault = yes\n' \
    "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$D/swift.conf"
  for type in account container object; do
    (
      cd "$D"
      swift-ring-builder $type.builder create 6 1 0
      swift-ring-builder $type.builder add "r1z1-$LO:$(port $type)/sdb1" 100
      swift-ring-builder $type.builder rebalance
    ) >>"$D/log/ring" 2>&1
    workers=1
    [ $type = object ] && workers=$WORKERS
    cat >"$D/$type-server.conf" <<CONF
[DEFAULT]
bind_ip = $LO
bind_port = $(port $type)
swift_dir = $D
devices = $D/node
mount_check = false
fallocate_reserve = 1%
workers = $workers
user = $(id -un)
log_level = WARNING
[pipeline:main]
pipeline = $type-server
[app:$type-server]
use = egg:swift#$type
[$type-replicator]
[$type-updater]
[$type-auditor]
CONF
  done
}

write_proxy() {
  cat >"$D/proxy-server.conf" <<CONF
[DEFAULT]
bind_ip = $LO
bind_port = $(port proxy)
swift_dir = $D
workers = $WORKERS
user = $(id -un)
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = false
account_autocreate = true
node_timeout = 30
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = $LO:$(port memcached)
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
dns_compliant_bucket_names = true
allow_multipart_uploads = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = $SECRET_KEY .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
CONF
}

daemons() {
  local type
  : >"$D/pids"
  spawn memcached memcached -l $LO -p "$(port memcached)" -U 0 -m 32 -u "$(id -un)"
  for type in account container object; do spawn $type swift-$type-server "$D/$type-server.conf"; done
  spawn proxy swift-proxy-server "$D/proxy-server.conf"
  # What an object server could not tell its container at once.
  spawn object-updater swift-object-updater "$D/object-server.conf"
  for type in account container object; do wait_for 60 $type curl -sS -m 2 -o /dev/null "http://$LO:$(port $type)/"; done
  wait_for 60 proxy curl -fsS -m 2 "http://$LO:$(port proxy)/healthcheck"
}

# The bucket is made over Swift's own interface: curl cannot sign with a key that has a colon in it.
make_bucket() {
  local endpoint token url
  endpoint="http://$LO:$(port proxy)"
  curl -fsS -m 20 -D "$D/log/auth" -o /dev/null -H "X-Auth-User: $ACCESS_KEY" -H "X-Auth-Key: $SECRET_KEY" "$endpoint/auth/v1.0"
  token=$(awk 'tolower($1) == "x-auth-token:" { print $2 }' "$D/log/auth" | tr -d '\r')
  url=$(awk 'tolower($1) == "x-storage-url:" { print $2 }' "$D/log/auth" | tr -d '\r')
  curl -fsS -m 20 -X PUT -H "X-Auth-Token: $token" -H 'Content-Length: 0' "$url/$BUCKET"
  write_env "$endpoint"
}

fresh() {
  mkdir -p "$D/node/sdb1"
  write_rings_and_servers
  write_proxy
  daemons
  make_bucket
}

is_ours() {
  local needle="$D/"
  [ "$2" = memcached ] && needle=$(port memcached)
  tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$needle"
}

is_alive() { [ -n "$(ps -o pid= -o stat= -g "$1" 2>/dev/null | awk '$2 !~ /^Z/ { print $1 }')" ]; }

signal() {
  local id name
  tac "$D/pids" | while read -r id name; do
    is_ours "$id" "$name" || continue
    kill -"$1" -- "-$id" 2>/dev/null || continue
    for _ in $(seq 1 80); do is_alive "$id" || break; sleep 0.1; done
    ! is_alive "$id" || { log "$name did not end: KILL"; kill -KILL -- "-$id" || true; }
  done
  : >"$D/pids"
}

main "$@"
