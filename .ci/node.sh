#!/usr/bin/env bash
# Install the Node programs that tests need (Prism, mountebank, calendar readers, Twilio's segment calculator) into
# build/node, with the versions of .ci/node/package-lock.json. Needs npm and its registry; does nothing if up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build/node
mkdir -p "$folder"
cmp -s .ci/node/package-lock.json "$folder/installed" && exit 0
rm -f "$folder/installed"
cp .ci/node/package.json .ci/node/package-lock.json "$folder/"
for try in 1 2 3; do
  if (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
    cp .ci/node/package-lock.json "$folder/installed"
    exit 0
  fi
  [ "$try" = 3 ] || sleep $((try * 5))
done
echo "npm could not install the programs that tests need. Is its registry reachable?" >&2
exit 1
