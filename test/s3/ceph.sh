#!/usr/bin/env bash
# Ceph with its RADOS Gateway, one node, from Debian's packages: loopback only, no systemd, nothing in /etc, no root needed.
ENGINE=ceph
. "$(dirname "$0")/engine.sh"
packages="radosgw ceph-mon ceph-osd ceph-common"
programs="radosgw ceph-mon ceph-osd ceph ceph-authtool monmaptool radosgw-admin curl"
ACCESS_KEY=TESTACCESSKEY0000001 SECRET_KEY=testsecretkey00000000000000000000000000001 BUCKET=testbucket
# A sparse file.
STORE_BYTES=12884901888

cluster() { timeout 30 ceph -c "$D/ceph.conf" --connect-timeout 10 "$@"; }

write_settings() {
  local id
  id=$(cat /proc/sys/kernel/random/uuid)
  echo "$id" >"$D/fsid"
  free_port >"$D/monitor-port"
  free_port >"$D/gateway-port"
  # cephx stays on: radosgw 16.2 does not start without. Deleted bytes come back only by garbage collection, by default not before two
  # hours, and a full store hangs instead of failing. Without tcp_nodelay every small answer takes 45 ms.
  cat >"$D/ceph.conf" <<CONF
[global]
fsid = $id
mon_host = [v2:$LO:$(cat "$D/monitor-port")]
mon_initial_members = a
public_addr = $LO
cluster_addr = $LO
ms_bind_ipv6 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
run_dir = $D/run
admin_socket = $D/run/\$name.asok
pid_file =
log_file = $D/log/\$name.log
mon_cluster_log_file = $D/log/cluster.log
crash_dir = $D/crash
keyring = $D/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 2
mon_data_avail_crit = 1
[mon]
mon_data = $D/mon
[osd]
osd_data = $D/osd
osd_objectstore = bluestore
bluestore_block_size = $STORE_BYTES
bluestore_cache_autotune = false
bluestore_cache_size = 134217728
osd_memory_target = 939524096
osd_class_update_on_start = false
[client.rgw.a]
rgw_data = $D/rgw
rgw_frontends = beast endpoint=$LO:$(cat "$D/gateway-port") tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_enable_usage_log = false
rgw_gc_obj_min_wait = 20
rgw_gc_processor_period = 10
rgw_gc_processor_max_time = 10
rgw_dns_name =
CONF
}

make_keys() {
  local keys="$D/keyring"
  : >"$keys"
  chmod 600 "$keys"
  ceph-authtool "$keys" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$keys" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *'
  ceph-authtool "$keys" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd'
  ceph-authtool "$keys" --gen-key -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' --cap mgr 'allow rw'
  monmaptool --create --fsid "$(cat "$D/fsid")" --addv a "[v2:$LO:$(cat "$D/monitor-port")]" "$D/monmap"
  ceph-mon -i a --mkfs --monmap "$D/monmap" --keyring "$keys" -c "$D/ceph.conf"
}

daemons() {
  : >"$D/pids"
  spawn monitor ceph-mon -i a -f -c "$D/ceph.conf"
  wait_for 90 monitor cluster -s
  if [ ! -e "$D/osd/fsid" ]; then
    local id
    id=$(cat /proc/sys/kernel/random/uuid)
    cluster osd new "$id" >/dev/null
    ceph-osd -i 0 --mkfs --osd-uuid "$id" -c "$D/ceph.conf" >>"$D/log/make-store" 2>&1
  fi
  spawn store ceph-osd -i 0 -f -c "$D/ceph.conf"
  wait_for 90 store sh -c "ceph -c '$D/ceph.conf' --connect-timeout 10 osd stat | grep -q '1 up'"
  spawn gateway radosgw -n client.rgw.a -f -c "$D/ceph.conf"
  wait_for 180 gateway curl -fsS -m 5 "http://$LO:$(cat "$D/gateway-port")/"
}

make_bucket() {
  local endpoint empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  endpoint="http://$LO:$(cat "$D/gateway-port")"
  radosgw-admin -c "$D/ceph.conf" -n client.rgw.a user create --uid=test --display-name=test --max-buckets=1000 \
    --access-key="$ACCESS_KEY" --secret-key="$SECRET_KEY" >"$D/log/user.json" 2>"$D/log/user.err"
  curl -fsS -m 30 --aws-sigv4 aws:amz:us-east-1:s3 -u "$ACCESS_KEY:$SECRET_KEY" -X PUT --data-binary '' \
    -H "x-amz-content-sha256: $empty" "$endpoint/$BUCKET" >/dev/null
  write_env "$endpoint"
}

fresh() {
  mkdir -p "$D"/{run,crash,mon,osd,rgw}
  write_settings
  make_keys >>"$D/log/make-keys" 2>&1
  daemons
  make_bucket
}

is_ours() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$D/"; }

signal() {
  local id name
  tac "$D/pids" | while read -r id name; do
    is_ours "$id" || continue
    kill -"$1" "$id" 2>/dev/null || continue
    for _ in $(seq 1 150); do is_ours "$id" || break; sleep 0.1; done
    ! is_ours "$id" || { log "$name did not end: KILL"; kill -KILL "$id" || true; }
  done
  : >"$D/pids"
}

main "$@"
