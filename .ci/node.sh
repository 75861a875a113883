#!/usr/bin/env bash
# Put the programs that tests hold us against (Prism, mountebank, calendar readers, Twilio's own segment calculator) into
# build/node, as .ci/node/package-lock.json pins them. Needs npm and its registry; does nothing when they are there.
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
echo "npm could not fetch the programs that tests need: is its registry within reach?" >&2
exit 1
