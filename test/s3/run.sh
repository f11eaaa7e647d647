#!/usr/bin/env bash
# npm run test:s3 -- ENGINE            the tests of this folder on a real store: swift or ceph
# npm run test:s3 -- install ENGINE    the Debian packages that it needs (as root)
# npm run test:s3 -- here              on the bucket that S3_LOCATION names, with the AWS_* variables; below a prefix of its own
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,4s/^# //p' test/s3/run.sh >&2; exit 2; }

case "${1:-} ${2:-}" in
  "install swift" | "install ceph") exec bash "test/s3/$2.sh" install ;;
  "swift " | "ceph ")
    # In CI nothing may be missing; elsewhere nobody wants packages that were not asked for.
    if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ]; then
      installed=$(mktemp)
      bash "test/s3/$1.sh" install >"$installed" 2>&1 || { tail -n 20 "$installed" >&2; echo "$1 could not be installed" >&2; exit 1; }
      rm -f "$installed"
    fi
    exec bash "test/s3/$1.sh" run npx mocha "test/s3/*.engine.ts"
    ;;
  "here ")
    [ -n "${S3_LOCATION:-}" ] || usage
    exec npx mocha "test/s3/*.engine.ts"
    ;;
  *) usage ;;
esac
