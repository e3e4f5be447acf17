#!/usr/bin/env bash
# Runs the matching core in the public benchmark: run.sh HARNESS [REPETITIONS]. See README.md beside this file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
harness=$(cd "${1:?the directory of the built harness is needed}" && pwd)
repetitions=${2:-5}
peer=${PEER:-}
[ -x "$harness/harness" ] || { echo "$harness/harness is missing: run make there"; exit 1; }

target=${CARGO_TARGET_DIR:-$here/target}
RUSTFLAGS="-C target-cpu=native ${RUSTFLAGS:-}" cargo build --quiet --release --manifest-path "$here/Cargo.toml" --target-dir "$target"
cp "$target/release/libmatching_engine.so" "$harness/rialto_adapter.so"
cd "$harness"

# Real-time priority where that is allowed, so that nothing else on the machine is measured.
first=()
if chrt -f 10 true 2>/dev/null; then first=(chrt -f 10); fi

# One run of an engine: its throughput in millions of messages a second.
run() {
    local output
    output=$("${first[@]}" ./harness --engine "./$1_adapter.so" --scenario "$2" --mode perf --matcher-core 0 --drainer-core 1 2>&1) || true
    if ! grep -q "Verdict: VALID" <<<"$output"; then
        echo "$1, $2: not valid" >&2
        echo "$output" >&2
        exit 1
    fi
    sed -n 's/.*Throughput: *\([0-9.]*\).*/\1/p' <<<"$output"
}

median() {
    sort -n | awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

for scenario in static normal swing-25 swing-40 flash-crash; do
    ours=() theirs=()
    for _ in $(seq "$repetitions"); do
        if [ -n "$peer" ]; then theirs+=("$(run "$peer" "$scenario")"); fi
        ours+=("$(run rialto "$scenario")")
    done
    line="$scenario: VALID, rialto $(printf '%s\n' "${ours[@]}" | median) M/s"
    if [ -n "$peer" ]; then line="$line, $peer $(printf '%s\n' "${theirs[@]}" | median) M/s"; fi
    if [ -f liquibook_adapter.so ]; then
        audit=$(./harness --engine ./rialto_adapter.so --scenario "$scenario" --mode audit --matcher-core 0 --drainer-core 1 2>&1) || true
        if ! grep -q "Verdict: VALID" <<<"$audit"; then
            echo "$scenario: the audit is not valid" >&2
            echo "$audit" >&2
            exit 1
        fi
        line="$line, audit VALID"
    fi
    echo "$line"
done
