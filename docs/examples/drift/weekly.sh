#!/bin/sh
# The weekly check of some data against its baseline, for cron:
#   weekly.sh DATA REFERENCE [options of `llm-integrations drift` …]
# Silent where nothing drifted. Otherwise a message goes to $TO: the report, or, where no check
# could be made, why not. REPORTS is a folder that keeps the reports, one folder for each day.
set -u
day=$(date -u +%Y-%m-%d)
if [ -n "${REPORTS:-}" ]; then out=$REPORTS/$day; else out=$(mktemp -d); trap 'rm -rf "$out"' EXIT; fi
rm -rf "$out" && mkdir -p "$out" || exit 2

llm-integrations drift "$@" --report "$out" >"$out/log" 2>&1
code=$?

case $code in
    0) exit 0 ;;
    1) subject="$2 drifted ($1, $day)"; body=$out/drift.md ;;
    *) subject="$2: no drift check ($1, $day, exit code $code)"; body=$out/log ;;
esac
mail -s "$subject" "${TO:-$(id -un)}" <"$body"
exit $code
