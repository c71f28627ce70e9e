"""The report's page. A module, not a template file, so that the code digest covers it.

The page is one file and works offline: it loads nothing from outside and links nothing outside, so it can be sent to anyone. Without scripts
every table is shown in full.
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<header>
<p class="kicker">popleak report &middot; experiment <code>{{ name }}</code></p>
<h1>{{ title }}</h1>
<nav>{% for id, text in sections %}<a href="#{{ id }}">{{ text }}</a> {% endfor %}</nav>
</header>
<main>
<section id="findings">
<h2>What was found</h2>
{% for line in warnings %}<p class="warning" role="note"><strong>Warning.</strong> {{ line }}</p>
{% endfor %}
<ul class="findings">{% for line in findings %}<li>{{ line }}</li>
{% else %}<li>The tables hold no leakage of the adversary <code>best</code>, so there is nothing to sum up.</li>{%
endfor %}</ul>
{% if matrix %}
<h3>Share of victims whose training world the best informed adversary names</h3>
<div class="scroll"><table class="matrix">
<thead><tr><th>task</th><th>worlds</th>{% for name in matrix.defences %}<th class="n">{{ name }}</th>{% endfor
%}</tr></thead>
<tbody>{% for row in matrix.rows %}<tr><th>{{ row.task }}</th><td>{{ row.pair }}</td>
{% for cell in row.cells %}<td class="n">{% if cell %}<strong>{{ cell.value }}</strong><br>
<small>{{ cell.interval }}{% for mark in cell.marks %}<br><span class="mark">{{ mark }}</span>{% endfor %}</small>
{% else %}&ndash;{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="note">Chance is 50 %. Small: 95 % interval, clustered by pool split: for another draw of splits and victims from the same
table, not from the population that the table comes from.</p>
{% endif %}
</section>

<section id="asked">
<h2>What was asked</h2>
<dl>{% for term, text in asked %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
</section>

<section id="verdicts">
<h2>Verdicts</h2>
<p class="note">A claim holds, fails, or the data cannot tell; if it compares models that are the same it is not
applicable. Intervals are not corrected for their number; C6 rests on the Holm-corrected tests of the leakage table, so its
interval may exclude 0 although the data cannot tell. Where C6 says that there is no material difference, the difference is shown to
be less than {{ margin }} of accuracy, twice that of advantage. The suite is neutral: a claim that fails is a result.</p>
{% for claim in claims %}
<h3 class="claim"><code>{{ claim.id }}</code> {{ claim.statement }}</h3>
<div class="scroll"><table class="verdicts">
<thead><tr><th>task</th><th>verdict</th><th>evidence</th><th class="n">95 % interval</th><th class="n">models</th>
</tr></thead>
<tbody>{% for row in claim.rows %}<tr><td>{{ row.task }}</td><td>
<span class="badge {{ row.kind }}">{{ row.sign }} {{ row.verdict }}
</span></td><td>{% if row.plain %}{{ row.plain }}<br>{% endif %}<small>{{ row.evidence }}</small></td><td class="n">{{ row.interval }}</td><td class="n">{{ row.n }}</td></tr>
{% endfor %}</tbody></table></div>
{% else %}<p>No claim was judged.</p>{% endfor %}
</section>

<section id="figures">
<h2>Figures</h2>
{% for figure in figures %}
<figure id="figure-{{ figure.name }}">
<img src="data:image/png;base64,{{ figure.data }}" alt="{{ figure.summary }}">
<figcaption><strong>{{ figure.name }}.</strong> {{ figure.caption }}</figcaption>
</figure>
{% else %}<p>No figure was asked for.</p>{% endfor %}
</section>

<section id="tables">
<h2>Tables</h2>
{% for table in tables %}
<h3 id="table-{{ table.id }}">{{ table.title }}</h3>
<p class="note">{{ table.note }}</p>
<div class="filters" data-for="{{ table.id }}"></div>
<div class="scroll tall"><table class="data" id="{{ table.id }}">
<thead><tr>{% for column in table.columns %}<th{% if column.filter %} data-filter="{{ column.start }}"{% else %}
class="n"{% endif %}
 title="{{ column.about }}">{{ column.title }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td{% if cell.sort is not none %} class="n" data-v="{{
cell.sort }}"{% endif %}
>{{ cell.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
</section>

<section id="data">
<h2>Data</h2>
{% for card in cards %}
<details{% if cards|length < 3 %} open{% endif %}><summary>{{ card.title }}</summary>
<dl>{% for term, text in card.facts %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
</details>
{% else %}<p>No data card was given.</p>{% endfor %}
</section>

<section id="settings">
<h2>Settings, versions, and how to run it again</h2>
<p>Save the settings below as <code>settings.json</code> in a checkout of popleak and run</p>
<pre>snakemake --cores all --configfile settings.json</pre>
<p class="note">A data folder of your own goes into <code>data_dir</code> or the environment variable
<code>POPLEAK_DATA</code>; it is not
part of the settings shown.</p>
<details><summary>Settings, all defaults filled in</summary><pre id="config">{{ settings }}</pre></details>
<dl>{% for term, text in versions %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
</section>
</main>
<script>{{ script }}</script>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --band: #f6f8fa;
  --holds: #0072b2; --fails: #b34700; --same: #00725a; --unknown: #57606a; --warn: #fff4d6; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4ae; --line: #3a424b; --paper:
  #14181d;
  --band: #1d232a; --warn: #4a3a10; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1160px; padding: 1.2rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0 0 .4rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.2rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.3rem 0 .4rem; font-size: 1.02rem; }
nav a { margin-right: .9rem; color: inherit; }
.kicker, .note, figcaption, small { color: var(--soft); }
.kicker { margin: 0 0 .3rem; } .note { margin: .3rem 0 .6rem; font-size: .9rem; }
.findings { padding-left: 1.2rem; } .findings li { margin: .35rem 0; max-width: 100ch; }
.warning { padding: .5rem .8rem; border-left: 4px solid #e69f00; background: var(--warn); }
.scroll { overflow-x: auto; } .tall { max-height: 34rem; overflow-y: auto; border: 1px solid var(--line); }
table { border-collapse: collapse; font-size: .88rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .55rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--band); white-space: nowrap; } tbody th { font-weight: 600; }
.n { text-align: right; white-space: nowrap; } .data td { white-space: nowrap; }
.tall thead th { position: sticky; top: 0; } .sortable { cursor: pointer; }
[aria-sort=ascending]::after { content: " \\2191"; } [aria-sort=descending]::after { content: " \\2193"; }
.filters { display: flex; flex-wrap: wrap; gap: .4rem 1rem; margin: .4rem 0; font-size: .88rem; }
.filters select { font: inherit; } .verdicts td:first-child { width: 11rem; } .verdicts td:nth-child(2) { width:
  8.5rem; }
.badge { display: inline-block; padding: 0 .55rem; border-radius: .7rem; color: #fff; font-weight: 600; white-space:
  nowrap; }
.holds { background: var(--holds); } .fails { background: var(--fails); } .same { background: var(--same); }
.unknown { background: var(--unknown); }
.mark { display: inline-block; max-width: 11rem; white-space: normal; color: var(--fails); } .claim code { padding: .05rem .35rem; border: 1px solid var(--line); border-radius: .3rem; }
figure { margin: 1.2rem 0 2rem; } figure img { display: block; max-width: 100%; height: auto; background: #fff;
padding: .4rem; }
figcaption { margin-top: .4rem; font-size: .9rem; max-width: 110ch; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .5rem 0; }
dt { font-weight: 600; } dd { margin: 0; white-space: pre-line; overflow-wrap: anywhere; }
pre { padding: .6rem .8rem; background: var(--band); overflow-x: auto; font-size: .85rem; } summary { cursor: pointer; }
details { margin: .5rem 0; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } nav, .filters { display: none; }
  .tall { max-height: none; overflow: visible; border: 0; } .scroll { overflow: visible; } figure, tr { break-inside:
  avoid; }
  .badge { border: 1px solid #000; color: #000; background: none; } table { font-size: 8.5px; } th, td { padding:
.15rem .3rem; } }
"""

SCRIPT = """
"use strict";
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells], chosen = new Map();
  const bar = document.querySelector(`.filters[data-for="${table.id}"]`), count = document.createElement("span");
  const show = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = [...chosen].some(([i, value]) => value && row.cells[i].textContent !== value);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  heads.forEach((head, i) => {
    head.classList.add("sortable");
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending", sign = up ? 1 : -1;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells[i].dataset.v ?? row.cells[i].textContent;
      const order = (a, b) => "v" in a.cells[i].dataset || "v" in b.cells[i].dataset
        ? (key(a) === "") - (key(b) === "") || sign * (key(a) - key(b)) : sign * key(a).localeCompare(key(b));
      body.append(...rows.sort(order));
    });
    const values = [...new Set(rows.map(row => row.cells[i].textContent))];
    if (!("filter" in head.dataset) || values.length < 2) return;
    const label = document.createElement("label"), select = document.createElement("select");
    label.append(head.textContent + " ", select);
    for (const value of ["", ...values]) select.add(new Option(value || "all", value));
    select.addEventListener("change", () => { chosen.set(i, select.value); show(); });
    if (values.includes(head.dataset.filter)) { select.value = head.dataset.filter; chosen.set(i, select.value); }
    bar.append(label);
  });
  bar.append(count);
  show();
}
"""
