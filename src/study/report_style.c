/* SPDX-License-Identifier: MIT
 * How a report looks: one column of text, tables that scroll in boxes of their own, answers side by side where there is
 * room; on paper small enough for A4. Colours are plot_style.c's. */
#include "study/report_page.h"

/* C promises string literals of 4095 characters. */
const char *const cna_report_style[] = {
    "*{box-sizing:border-box}"
    "html{-webkit-text-size-adjust:100%;text-size-adjust:100%;background:var(--paper);color:var(--ink)}"
    "body{margin:0 auto;max-width:78rem;padding:1.5rem 1.25rem 4rem;"
    "font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",\"DejaVu Sans\",sans-serif}"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 .75rem;text-wrap:balance;overflow-wrap:anywhere}"
    "h2{font-size:1.3rem;line-height:1.25;margin:3rem 0 .5rem;padding-top:.75rem;border-top:2px solid var(--grid)}"
    "h3{font-size:1.05rem;margin:1.75rem 0 .5rem;overflow-wrap:anywhere}"
    "p{max-width:70ch;margin:.5rem 0 1rem}a{color:var(--s0)}"
    "code,pre{font-family:ui-monospace,\"SF Mono\",Menlo,Consolas,\"Liberation Mono\",\"DejaVu Sans Mono\",monospace;"
    "font-size:.85em}"
    ".note,.ci{color:var(--muted)}.ci{font-size:.88em;white-space:nowrap}p.note{font-size:.875rem;margin:.25rem 0}"
    ".warning{border-left:4px solid var(--s1);padding:.25rem .75rem}"
    /* facts and contents */
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0;font-size:.925rem}"
    "dt{color:var(--muted)}dd{margin:0;min-width:0;overflow-wrap:anywhere}"
    "nav ol{columns:2 18rem;margin:.5rem 0;padding-left:1.5rem}nav li{break-inside:avoid}"
    /* tables */
    ".scroll{overflow-x:auto;margin:1rem 0;border:1px solid var(--grid);border-radius:4px;max-width:100%}"
    ".scroll:focus-visible,pre:focus-visible{outline:2px solid var(--s0);outline-offset:1px}"
    "table{border-collapse:collapse;font-size:.875rem;line-height:1.35;font-variant-numeric:tabular-nums;min-width:100%"
    "}"
    "th,td{padding:.3rem .55rem;text-align:right;vertical-align:baseline;white-space:nowrap}"
    "th.t,td.t{text-align:left}td.t{unicode-bidi:isolate}td.long{white-space:normal;min-width:18rem;"
    "max-width:34rem;overflow-wrap:break-word}"
    "thead th{vertical-align:bottom;border-bottom:2px solid var(--muted);font-weight:600;white-space:normal;"
    "min-width:4.2rem}"
    "tbody td{border-top:1px solid var(--grid)}"
    "tr.group th{text-align:left;font-weight:600;border-top:1px solid "
    "var(--muted);padding-top:.7rem;white-space:normal}"
    "tr.group span,tr.more span{position:sticky;left:.6rem;display:inline-block;max-width:calc(100vw - 4rem)}tr.more "
    "td{text-align:left;color:var(--muted)}"
    "details{margin:1rem 0}summary{cursor:pointer;color:var(--s0)}"
    "pre{overflow-x:auto;padding:.75rem 1rem;border:1px solid var(--grid);border-radius:4px;line-height:1.5}"
    ""
    /* figures */
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1.25rem;margin:1rem "
    "0}"
    ".figures:empty{display:none}figure{margin:0;max-width:32rem}figure svg{display:block;width:100%;height:auto}"
    /* examples */
    ".example{border:1px solid var(--grid);border-radius:4px;padding:.75rem 1rem;margin:1rem 0}"
    ".prompt{font-weight:600;max-width:none;margin:0 0 .5rem;overflow-wrap:anywhere}"
    ".prompt .note{font-weight:400;font-size:.85rem;display:block}"
    ".answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,11.5rem),1fr));gap:1rem}"
    ".answer{min-width:0}.answer h4{margin:0 0 .25rem;font-size:.85rem;font-weight:600}"
    "blockquote{margin:0;padding-left:.75rem;border-left:2px solid var(--grid);font-size:.9rem;"
    "white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    ".outcome{display:inline-block;font-weight:400;padding:0 .4rem;border:1px solid currentColor;border-radius:1rem;"
    "margin-left:.25rem}.outcome.refused{color:var(--s0)}.outcome.incoherent{color:var(--s1)}"
    ".outcome.complied{color:var(--s2)}.outcome.undecided{color:var(--muted)}"
    "footer{margin-top:3rem;padding-top:.75rem;border-top:2px solid var(--grid)}",
    "@media(max-width:40rem){body{padding:1rem .9rem 3rem}h1{font-size:1.4rem}dl{grid-template-columns:1fr;gap:0}"
    "dd{margin-bottom:.5rem}}"
    "@media print{@page{size:A4;margin:14mm 12mm}html{font-size:9.5pt}body{max-width:none;padding:0}"
    "h2{margin-top:1.5rem}h2,h3{break-after:avoid}.scroll{overflow:visible;border:0}"
    "table{font-size:6.6pt;line-height:1.25}th,td{padding:.15rem .25rem}.ci{white-space:normal}thead th{min-width:0}"
    "td.long,td code{max-width:none;min-width:0;white-space:normal;overflow-wrap:anywhere}"
    "tr,figure,.example{break-inside:avoid}.figures{grid-template-columns:1fr 1fr}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}nav{display:none}}",
    NULL,
};
