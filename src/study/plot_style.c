/* SPDX-License-Identifier: MIT
 * How plots look. Colours after Okabe and Ito, Color universal design (2008), darkened or lightened until each has a
 * contrast of 3 to 1 or more with its paper; dashes and markers tell the styles apart without them. */
#include "study/plot.h"

const char *const cna_plot_light = "--ink:#1b1f24;--muted:#57606a;--grid:#dfe3e8;--paper:#ffffff;"
                                   "--s0:#0067a5;--s1:#c44e00;--s2:#00805a;--s3:#a8457f;--s4:#5a5f66;--s5:#8a6d00;";

const char *const cna_plot_dark = "--ink:#e6e9ed;--muted:#a3abb5;--grid:#353c45;--paper:#15191e;"
                                  "--s0:#5bb5f0;--s1:#ff9150;--s2:#3ccf9f;--s3:#e693c0;--s4:#b4bac2;--s5:#e6c84d;";

const char *const cna_plot_style =
    ".plot{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",\"DejaVu Sans\",sans-serif;"
    "font-size:12px;font-variant-numeric:tabular-nums}"
    ".plot text{fill:var(--ink)}.plot .title{font-size:14px;font-weight:600}.plot .tick{fill:var(--muted)}"
    ".plot .grid{stroke:var(--grid);stroke-width:1}.plot .axis{stroke:var(--muted);stroke-width:1}"
    ".plot .reference{stroke:var(--muted);stroke-width:1;stroke-dasharray:1 3}"
    ".plot .limit{stroke:var(--muted);stroke-width:1.25;stroke-dasharray:6 3 1 3}"
    ".plot .line{fill:none;stroke-width:2;stroke-linejoin:round}.plot .whisker{fill:none;stroke-width:1.25}"
    ".plot .edge{fill:none;stroke-width:1}.plot .middle{fill:none;stroke-width:1}"
    ".plot .mark{stroke-width:1.5}.plot .band{stroke:none;fill-opacity:.16}"
    ".plot .s0{stroke:var(--s0)}.plot .s1{stroke:var(--s1)}.plot .s2{stroke:var(--s2)}"
    ".plot .s3{stroke:var(--s3)}.plot .s4{stroke:var(--s4)}.plot .s5{stroke:var(--s5)}"
    ".plot .box{stroke-width:1.5}.plot .box.f1,.plot .box.f4{fill-opacity:.2}.plot .box.f2{fill-opacity:.6}"
    ".plot .box.f3{fill-opacity:.4}"
    ".plot .f0{fill:var(--s0)}.plot .f1{fill:var(--s1)}.plot .f2{fill:var(--s2)}"
    ".plot .f3{fill:var(--s3)}.plot .f4{fill:var(--s4)}.plot .f5{fill:var(--s5)}.plot .hollow{fill:var(--paper)}"
    ".plot .line.s1,.plot .edge.s1{stroke-dasharray:7 3}.plot .line.s2,.plot .edge.s2{stroke-dasharray:2 3}"
    ".plot .line.s3,.plot .edge.s3{stroke-dasharray:8 3 2 3}.plot .line.s4,.plot .edge.s4{stroke-dasharray:4 3}"
    ".plot .line.s5,.plot .edge.s5{stroke-dasharray:1 3}";
