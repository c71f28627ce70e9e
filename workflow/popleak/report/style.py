"""The report's style sheet: light and dark, on paper, and 390 px wide. A module, so that the code digest covers it."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --band: #f6f8fa;
  --link: #0550ae; --warn: #fff4d6; --mark: #a33e00; --holds: #0072b2; --fails: #b34700; --same: #57606a;
  --unknown: #57606a; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #a5afb9; --line: #3a424b;
  --paper: #14181d; --band: #1d232a; --link: #8cc2ff; --warn: #4a3a10; --mark: #ffab75; } }
* { box-sizing: border-box; }
html { scroll-padding-top: .5rem; }
body { margin: 0 auto; max-width: 1160px; padding: 1rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
a { color: var(--link); }
h1 { margin: 0 0 .4rem; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 2.2rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.6rem 0 .4rem; font-size: 1.08rem; } h4 { margin: 1rem 0 .3rem; font-size: 1rem; }
p { margin: .5rem 0; max-width: 100ch; }
nav a { margin-right: .8rem; white-space: nowrap; }
.skip { position: absolute; left: -100vw; } .skip:focus { position: static; }
.kicker, .note, figcaption, .caption, small { color: var(--soft); }
.kicker { margin: 0 0 .3rem; } .note { margin: .3rem 0 .6rem; font-size: .9rem; }
.answer h2 { border: 0; margin: .8rem 0 .2rem; padding: 0; font-size: 1.1rem; color: var(--soft); font-weight: 600; }
.headline { font-size: 1.2rem; font-weight: 600; line-height: 1.35; margin: .2rem 0 .6rem; max-width: 80ch; }
.parts { grid-template-columns: 12rem 1fr; gap: .35rem 1.2rem; font-size: .95rem; line-height: 1.42; }
.answers { line-height: 1.3; font-size: .86rem; } .answers :is(th, td) { padding: .25rem .45rem; } .answers :is(th, td, td.n) { white-space: normal; }
.answers tbody :is(strong, th, small) { white-space: nowrap; } .answers :is(tbody th small, .interval) { display: block; }
.answers .statistic .interval { display: inline; } .answers tbody .mark { max-width: 15rem; white-space: normal; }
nav { font-size: .9rem; }
.findings { padding-left: 1.2rem; } .findings li { margin: .35rem 0; max-width: 100ch; }
.warning { padding: .5rem .8rem; border-left: 4px solid #e69f00; background: var(--warn); }
.scroll { overflow-x: auto; position: relative; } .tall { max-height: 34rem; overflow-y: auto; border: 1px solid var(--line); }
table { border-collapse: collapse; font-size: .88rem; width: 100%; font-variant-numeric: tabular-nums; }
.caption { margin: .6rem 0 .2rem; font-size: .88rem; max-width: 110ch; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; } th small { font-weight: 400; }
.matrix tbody th { min-width: 10rem; } .matrix td:nth-child(3) { min-width: 8rem; } td.note { font-size: .88rem; }
th, td { padding: .3rem .55rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--band); } .data thead th { white-space: nowrap; } [id^=table-of-] thead th { white-space: normal; } tbody th { font-weight: 600; }
th.n, td.n { text-align: right; } td.n { white-space: nowrap; } .data td { white-space: nowrap; }
.tall thead th { position: sticky; top: 0; z-index: 2; }
:is(.matrix, .data) tr > :first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); box-shadow: 1px 0 var(--line); }
:is(.matrix, .data) thead tr > :first-child { z-index: 3; background: var(--band); }
th button { all: unset; box-sizing: border-box; cursor: pointer; font: inherit; color: inherit; }
th button::after { content: " \\2195"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after { content: " \\2193"; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.filters { display: flex; flex-wrap: wrap; gap: .4rem 1rem; margin: .4rem 0; font-size: .88rem; }
.filters select { font: inherit; max-width: 100%; }
.badge { display: inline-block; padding: 0 .55rem; border-radius: .7rem; color: #fff; font-weight: 600; white-space: nowrap;
  font-size: .88rem; }
a.badge { text-decoration: none; } a.badge:hover { text-decoration: underline; }
.holds { background: var(--holds); } .fails { background: var(--fails); } .same { background: var(--same); }
.matrix .same { white-space: normal; max-width: 9rem; line-height: 1.3; } .matrix td .mark { max-width: 9rem; }
.unknown { border: 1px solid var(--unknown); padding: 0 .5rem; color: var(--soft); }
.mark { display: inline-block; max-width: 11rem; white-space: normal; color: var(--mark); }
.claim code { padding: .05rem .35rem; border: 1px solid var(--line); border-radius: .3rem; }
.origin { font-size: .8rem; font-weight: 400; color: var(--soft); }
.outcome { margin: .5rem 0 .9rem; padding-left: .8rem; border-left: 3px solid var(--line); }
.outcome p { margin: .15rem 0; } .outcome .about { color: var(--soft); font-size: .9rem; }
.lines { margin: .3rem 0; padding-left: 1.2rem; }
:target { scroll-margin-top: .5rem; } h4:target, h3:target, .outcome:target { background: var(--warn); }
figure { margin: 1.2rem 0 1.6rem; } figure img { display: block; max-width: 100%; height: auto; background: #fff; padding: .4rem; }
.zoom { all: unset; box-sizing: border-box; display: block; max-width: 100%; cursor: zoom-in; }
.zoom:focus-visible { outline: 3px solid var(--link); }
figcaption { margin-top: .4rem; font-size: .9rem; max-width: 110ch; }
dialog { width: 96vw; max-width: none; height: 94vh; max-height: none; padding: .6rem; border: 1px solid var(--line); background: var(--paper);
  color: var(--ink); }
dialog::backdrop { background: rgb(0 0 0 / .7); }
dialog .box { overflow: auto; height: calc(100% - 2.6rem); } dialog img { display: block; margin: auto; background: #fff; min-width: 60vw; }
dialog button { font: inherit; margin-bottom: .4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .5rem 0; }
dt { font-weight: 600; } dd { margin: 0; white-space: pre-line; overflow-wrap: anywhere; } .parts dd, .terms dd { white-space: normal; max-width: 95ch; }
pre { padding: .6rem .8rem; background: var(--band); overflow-x: auto; font-size: .85rem; } summary { cursor: pointer; }
details { margin: .5rem 0; } code { overflow-wrap: anywhere; }
@media (max-width: 640px) {
  body { padding: .8rem .8rem 3rem; } h1 { font-size: 1.3rem; } .headline { font-size: 1.08rem; }
  dl, .parts { grid-template-columns: 1fr; gap: .1rem; } dd { margin-bottom: .5rem; } dt { overflow-wrap: anywhere; }
  .tall { max-height: 26rem; }
}
@media screen and (max-width: 640px) {
  .answers, .answers :is(tbody, tr, th, td) { display: block; border: 0; } .answers td.n { text-align: left; } .answers thead { display: none; }
  .answers tr { margin: .5rem 0; padding: .35rem .6rem; border: 1px solid var(--line); border-radius: .4rem; }
  .answers :is(th, td) { padding: .15rem 0; } .answers tbody :is(th, small) { white-space: normal; } .answers :is(tbody th small, .interval) { display: inline; }
  .answers td::before { content: attr(data-label) ": "; color: var(--soft); }
  .whose { display: none; } .matrix tbody th { min-width: 0; } .matrix td:nth-child(3) { min-width: 5rem; }
  :is(.matrix, .data) tr > :first-child { min-width: 7rem; max-width: 8rem; white-space: normal; overflow-wrap: anywhere; }
}
@media print {
  @page { size: A4; margin: 14mm; } @page wide { size: A4 landscape; margin: 8mm; }
  body { max-width: none; padding: 0; font-size: 10.5pt; } nav, .filters, .skip, dialog, .hint { display: none; }
  .tall { max-height: none; overflow: visible; border: 0; } .scroll { overflow: visible; }
  figure, tr, .outcome { break-inside: avoid; } h2, h3, h4 { break-after: avoid; } thead { display: table-header-group; }
  figure img { max-height: 220mm; } a { color: inherit; text-decoration: none; }
  .badge { border: 1px solid #000; color: #000; background: none; } table { font-size: 8pt; } th, td { padding: .12rem .3rem; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .tall thead th, :is(.matrix, .data) tr > :first-child { position: static; box-shadow: none; } th button::after { content: "" !important; }
  .wide { page: wide; } .wide table { font-size: 5.2pt; } .wide th, .wide td { white-space: normal; padding: .05rem .12rem; }
  .wide thead th { white-space: normal; }
}
"""

HEAD = """<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#answer">Skip to the answer</a>
<header>
"""
"""How each page begins: its style, and the way past the header for whoever reads by keyboard."""
