#!/bin/sh
# SPDX-License-Identifier: MIT
# Reports in a real browser, headless, at the widths of a desktop and a phone and in both colour schemes: nothing is wider
# than the page, plots keep their words inside, no message on the console, no request. Prints "ok NAME" or "not ok NAME"
# for each case. Run by `make browser`, and by `make test` too; says that it skips where there is no browser.
#   CNA_BIN     the program (build/cna)        CHROMIUM  the browser (chromium)
#   CNA_MODELS  folder with the models (models)
set -u
export OMP_WAIT_POLICY=passive
cna=${CNA_BIN:-build/cna}
models=${CNA_MODELS:-models}
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
lacking=""
[ -n "$browser" ] || lacking="chromium"
command -v sqlite3 >/dev/null 2>&1 || lacking="$lacking sqlite3"
[ -e "$models/llama-planted-instruct" ] || lacking="$lacking $models"
if [ -n "$lacking" ]; then
    echo "skip browser"
    echo "browser skipped: needs $lacking (Debian: apt-get install chromium sqlite3)"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok $1: $2"; }

# --- three pages: a sweep of a real model, the whole study of tests/data/report, and the same with hostile texts
prompts=$models/prompts
head -n 3 "$prompts/restricted-heldout.jsonl" >"$work/restricted.jsonl"
head -n 2 "$prompts/benign-heldout.jsonl" >"$work/benign.jsonl"
"$cna" attribute -q -m "$models/llama-planted-instruct" --positive "$prompts/restricted-discovery.txt" \
    --negative "$prompts/benign-discovery.txt" --top-k 25 -o "$work/circuit.json" >/dev/null &&
    "$cna" sweep -q -m "$models/llama-planted-instruct" --circuit "$work/circuit.json" --prompts "$work/restricted.jsonl" \
        --benign "$work/benign.jsonl" --multipliers 0,1,2 --controls 2 --max-tokens 30 --run "$work/real.db" >/dev/null ||
    { echo "not ok browser: the sweep failed"; exit 1; }
# The tables come from the real run: its rows are taken out and others put in.
cp "$work/real.db" "$work/study.db"
sqlite3 "$work/study.db" "SELECT 'DELETE FROM ' || name || ';' FROM sqlite_schema WHERE type = 'table'" |
    sqlite3 "$work/study.db"
sqlite3 "$work/study.db" <tests/data/report/study.sql
cp "$work/study.db" "$work/hostile.db"
sqlite3 "$work/hostile.db" <tests/data/report/hostile.sql
for page in real study hostile; do
    "$cna" report "$work/$page.db" -o "$work/$page.html" || { echo "not ok browser: no $page report"; exit 1; }
done

# --- what is asked of each: a copy without its policy, which forbids scripts, with one that measures
cat >"$work/probe.html" <<'END'
<script>
const found = [];
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth) found.push(`page ${page.scrollWidth} wide in ${page.clientWidth}`);
for (const element of document.querySelectorAll('body *:not(.scroll *):not(pre *):not(svg *)')) {
    const box = element.getBoundingClientRect();
    if (box.width > 0 && box.right > page.clientWidth + 1) found.push(`${element.tagName} ends at ${box.right}`);
}
for (const svg of document.querySelectorAll('svg')) {
    const outer = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll('text')) {
        const box = text.getBoundingClientRect();
        if (box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1 ||
            box.bottom > outer.bottom + 1) found.push(`${svg.getAttribute('aria-label')}: '${text.textContent}' sticks out`);
    }
    const labels = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    labels.forEach(([a, p], i) => labels.slice(i + 1).forEach(([b, q]) => {
        if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
            found.push(`${svg.getAttribute('aria-label')}: '${a}' over '${b}'`);
    }));
}
parent.postMessage(`measured, ${found.length} wrong: ${found.slice(0, 3).join('; ')}`, '*');
</script>
END
for page in real study hostile; do
    { sed -e 's|<meta http-equiv="Content-Security-Policy"[^>]*>||' -e 's|</body></html>||' "$work/$page.html"
      cat "$work/probe.html"; echo '</body></html>'; } >"$work/$page-probe.html"
done

run_browser() { # ARGUMENTS
    timeout 100 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
        --no-first-run --disable-background-networking --disable-component-update --disable-default-apps "$@"
}

for page in real study hostile; do
    for width in 1280 390; do
        # A window is never narrower than 500, so the page stands in a frame of the width that is meant.
        cat >"$work/frame.html" <<END
<!DOCTYPE html><body><iframe src="$page-probe.html" style="border:0;width:${width}px;height:900px"></iframe>
<script>onmessage = event => document.body.append(event.data);</script></body>
END
        run_browser --window-size=1400,1000 --virtual-time-budget=5000 --dump-dom "file://$work/frame.html" \
            >"$work/dom" 2>/dev/null
        if grep -q 'measured, 0 wrong' "$work/dom"; then ok "browser: $page at $width"
        else not_ok "browser: $page at $width" "$(grep -o 'measured, .*' "$work/dom" | head -c 400)"; fi
    done
done

# --- the pages as they are: nothing is asked of the network, nothing is said on the console, and both schemes paint
for page in real study hostile; do
    for scheme in 0 1; do # dark, light
        run_browser --blink-settings=preferredColorScheme=$scheme --window-size=1280,2000 --enable-logging=stderr \
            --log-net-log="$work/net.json" --screenshot="$work/$scheme.png" "file://$work/$page.html" 2>"$work/log" >&2
        if grep -q ':CONSOLE' "$work/log"; then not_ok "browser: $page, console" "$(grep ':CONSOLE' "$work/log" | head -n 1)"
        elif [ ! -s "$work/$scheme.png" ]; then not_ok "browser: $page" "no picture"
        elif requested=$(grep -o '"url":"[a-z]*://[^/"]*' "$work/net.json" |
            grep -v -E '//$|\.(google|googleapis|gvt1)\.com$|chrome' | head -n 1) && [ -n "$requested" ]; then
            not_ok "browser: $page, requests" "$requested" # the browser's own errands are left out
        else ok "browser: $page, scheme $scheme"; fi
    done
    if cmp -s "$work/0.png" "$work/1.png"; then not_ok "browser: $page" "dark and light look the same"
    else ok "browser: $page in dark and light"; fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
