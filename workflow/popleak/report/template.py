"""The report's page. A module, not a template file, so that the code digest covers it.

The page is one file and works offline: it loads nothing from outside. It links to the tables and figures that are published beside it.
Without scripts every table is shown in full. Its look is in `style`, its behaviour in `script`.
"""

from .style import HEAD

PAGE = (
    """<!doctype html>
<html lang="en">
{%- macro inline(one) %}{% if one %}<strong>{{ one.text }}</strong> <small class="interval">{{ one.interval }}</small>{%
for mark in one.marks %} <small class="mark">{{ mark }}</small>{% endfor %}{% else %}&ndash;{% endif %}{% endmacro %}
{%- macro tabled(label, kind='', id='', more='') %}<p class="caption">{{ caller() }}</p>
<div class="scroll{{ more }}" role="region" tabindex="0" aria-label="{{ label }}"><table{% if kind %} class="{{ kind }}"{% endif %}{% if id %} id="{{ id }}"{% endif %}>
<caption>{{ label }}</caption>{% endmacro %}
{%- macro paid(lines) %}{% for line in lines or () %}<br><small class="mark">{{ line }}</small>{% endfor %}{% endmacro %}
{%- macro answer_parts() %}
<dl class="parts">{% for term, text in answer.parts %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>{% endmacro %}
{%- macro answer_table() %}
<div id="answer-table">
{% call tabled('The answer by task', 'answers') %}Share of models whose training population an adversary names, by task. 50 % is guessing. Small: 95 % intervals. {{ answer.about }} The control trains on the same rows without the fairness term: the last column is the difference from it, with p values corrected after Holm.{% endcall %}
<thead><tr><th scope="col">task</th><th scope="col" class="n">no defence</th><th scope="col" class="n">{{ answer.defence }}<br><small>{{ answer.adversary }}</small></th>
{% if answer.statistic %}<th scope="col" class="n">{{ answer.defence }}<br><small>the paper's statistic, {{ answer.statistic }}</small></th>{% endif %}
{% if answer.controls %}<th scope="col" class="n">control<br><small>{{ answer.controls }}</small></th>{% endif %}
<th scope="col">what the fairness term adds<br><small>{{ answer.defence }} minus control: leakage is</small></th></tr></thead>
<tbody>{% for row in answer.rows %}<tr><th scope="row">{{ row.title }} <small>{{ row.pair }}</small></th>
<td class="n" data-label="no defence">{{ inline(row.before) }}</td>
<td class="n" data-label="{{ answer.defence }}, {{ answer.adversary }}">{{ inline(row.after) }} {% if row.won %}<small class="interval">{{ row.won }}</small>{% endif %}</td>
{% if answer.statistic %}<td class="n statistic" data-label="{{ answer.defence }}, {{ answer.statistic }}">{{ inline(row.statistic) }}{% if row.abstains %}<br><small>{{ row.abstains }}</small>{% endif %}{%
if row.ahead %}<br><small>best minus it: {{ row.ahead.text }}{% if row.ahead.interval %}, {{ row.ahead.interval }}{% endif %}</small>{% endif %}</td>{% endif %}
{% if answer.controls %}<td class="n" data-label="control, {{ row.control or answer.controls }}">{{ inline(row.beside) }}</td>{% endif %}
<td data-label="what the fairness term adds">{% if row.badge %}<a class="badge {{ row.badge.kind }}" href="#{{ row.anchor or 'claims' }}">{{ row.badge.sign }} {{ row.badge.text }}</a>{% else %}&ndash;{% endif %}{%
if row.change %}<br><strong>{{ row.change.text }}</strong> <small>{{ row.change.interval }}</small>{% endif %}{% if row.p_said %}<br><small>{{ row.p_said }}</small>{% endif %}{{ paid(row.price) }}</td></tr>
{% endfor %}</tbody></table></div>
<p class="note">{{ answer.worlds }}</p>
</div>{% endmacro %}
{%- macro files(kind, name) %}{% set there = downloads[kind + '/' + name] %}{% if there %}<span class="hint note">Files: {% for path, ending
in there %}<a href="{{ path }}" download>{{ ending }}</a>{% if not loop.last %}, {% endif %}{% endfor %}.</span>{% endif %}{% endmacro %}
{%- macro picture(figure) %}
<figure id="figure-{{ figure.name }}">
<img src="data:image/png;base64,{{ figure.data }}" alt="{{ figure.summary }}">
<figcaption><strong>{{ figure.name }}.</strong> {{ figure.caption }} {{ files('figures', figure.name) }}</figcaption>
</figure>{% endmacro %}
{%- macro data(table) %}
<h3 id="table-{{ table.id }}">{{ table.title }}</h3>
<p class="note">{{ table.note }}</p>
<details><summary>What the columns mean</summary><dl>{% for column in table.columns if column.about %}<dt>{{ column.title }}</dt><dd>{{
column.about }}</dd>{% endfor %}</dl></details>
<div class="filters" data-for="{{ table.id }}"></div>
{% call tabled('Table: ' + table.title, 'data', id=table.id, more=' tall wide') %}{{ table.title }}, {{ table.rows|length }} rows. {{ files('tables', table.id) }}{% endcall %}
<thead><tr>{% for column in table.columns %}<th scope="col"{% if column.filter %} data-filter="{{ column.start }}"{% else %}
class="n"{% endif %}
 title="{{ column.about }}">{{ column.title }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td{% if cell.sort is not none %} class="n" data-v="{{
cell.sort }}"{% endif %}
>{{ cell.shown|default(cell.text) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endmacro %}
"""
    + HEAD
    + """<p class="kicker">popleak report &middot; experiment <code>{{ name }}</code>{% if paper and paper.reference %} &middot; claims of {{
paper.title }} ({{ paper.reference }}){% endif %}</p>
<h1>{{ title }}</h1>
<nav aria-label="Sections">{% for id, text in sections %}<a href="#{{ id }}">{{ text }}</a> {% endfor %}</nav>
{% if downloads %}<p class="note hint">This page is complete by itself. Only its links to files need the folder of its experiment around it.</p>{% endif %}
</header>
<main>
<section id="answer" class="answer">
<h2>{{ paper.question if paper and paper.question else 'What was found' }}</h2>
{% if answer %}
<p class="headline">{{ answer.headline }}</p>
{% set prose_first = answer.rows|length > most_rows %}
<p class="note">{% if prose_first %}In numbers: <a href="#answer-table">the answer by task</a>. {% endif %}What the names stand for: <a href="#named">attacks and defences of this experiment</a>,
<a href="#glossary">glossary</a>.</p>
{% if prose_first %}{{ answer_parts() }}{{ answer_table() }}{% else %}{{ answer_table() }}{{ answer_parts() }}{% endif %}
{% if warnings %}<p class="note">Read with <a href="#warnings">{{ warnings|length }} warning{{ 's' if warnings|length > 1 }}</a>.</p>{% endif %}
{% elif findings %}
<p class="headline">No single defence stands for the answer here: see the <a href="#findings">findings</a>.</p>
{% else %}
<p>The tables hold no leakage of the adversary <code>best</code>, so there is nothing to sum up.</p>
{% endif %}
</section>

<section id="method">
<h2>Method in short</h2>
<p>Two populations, called worlds, differ only in the share of one group. A model is trained on rows of one of them, by itself or with a
defence. An adversary who sees the model's answers names the world. It has rows of its own, and it practises on models that it trained
itself in both worlds; the informed one trains them with the defence, too. What counts is how many of many such models it names rightly.
Guessing gives 50 %.</p>
<p>Each fair defence has a control that trains on the same rows, from the same start and in the same order, without the fairness term. What
the control achieves as well is an effect of the rows, and only the rest is due to fairness. All is repeated over random divisions of the data, and intervals
and tests take these divisions as the units.</p>
<dl>{% for term, text in asked %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
</section>

<section id="verdicts">
<h2>Verdicts at a glance</h2>
{% if overview.rows %}
<p class="note">A claim holds, fails, or the data cannot tell; if it compares models that are the same it is not applicable. Each verdict
links to its paragraph. The suite is neutral: a claim that fails is a result.</p>
{% call tabled('Claims by tasks', 'matrix') %}Claims by tasks. Where a claim is judged for each defence and pair of worlds, each has a row. Whose: claimed by the paper, or added by us.{% endcall %}
<thead><tr><th scope="col">claim</th><th scope="col" class="whose">whose</th><th scope="col">over all tasks</th>{% for task in overview.tasks %}<th scope="col">{{ task }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in overview.rows %}<tr><th scope="row"><a href="#{{ row.anchor }}">{{ row.id }}</a> {{ row.short }}{% if row.arm %}<br><small>{{ row.arm }}</small>{% endif %}</th>
<td class="whose">{{ 'paper' if row.source == 'paper' else 'ours' }}</td>
{% if row.whole %}<td><a class="badge {{ row.whole.kind }}" href="#{{ row.whole.anchor }}">{{ row.whole.sign }} {{
row.whole.verdict }}</a></td>{% if overview.tasks %}<td class="note" colspan="{{ overview.tasks|length }}">Of no task: it needs no data.</td>{% endif %}{% else %}<td>{{ row.line }}</td>{% for cell in row.cells %}<td>{% if cell %}<a class="badge {{ cell.kind }}" href="#{{ cell.anchor }}">{{ cell.sign }} {{ cell.verdict }}</a>{{ paid(cell.price) }}{% else %}<span title="not judged">&ndash;</span>{% endif %}</td>{%
endfor %}{% endif %}</tr>
{% endfor %}</tbody></table></div>
{% else %}<p>No claim was judged.</p>{% endif %}
</section>

<section id="findings">
<h2>Findings in numbers</h2>
<ul class="findings">{% for line in findings %}<li>{{ line }}</li>
{% else %}<li>Nothing.</li>{% endfor %}</ul>
{% if matrix %}
{% call tabled('Leakage by task and defence', 'matrix') %}Share of victims whose training world the best informed adversary names. Chance is 50 %. Small: 95 % interval, clustered by pool split:
for another draw of splits and victims from the same table, not from the population that the table comes from. {{ files('tables', 'summary') }}{% endcall %}
<thead><tr><th scope="col">task</th><th scope="col">worlds</th>{% for name in matrix.defences %}<th scope="col" class="n">{{ name }}</th>{% endfor
%}</tr></thead>
<tbody>{% for row in matrix.rows %}<tr><th scope="row">{{ row.task }}</th><td>{{ row.pair }}</td>
{% for cell in row.cells %}<td class="n">{% if cell %}<strong>{{ cell.value }}</strong><br>
<small>{{ cell.interval }}{% for mark in cell.marks %}<br><span class="mark">{{ mark }}</span>{% endfor %}</small>
{% else %}&ndash;{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endif %}
{% if warnings %}<h3 id="warnings">What to be careful with</h3>
{% for line in warnings %}<p class="warning" role="note"><strong>Warning.</strong> {{ line }}</p>
{% endfor %}{% endif %}
</section>

<section id="claims">
<h2>Claims</h2>
<p class="note">Intervals are not corrected for their number. C6 rests on tests that are corrected after Holm, so its interval may leave out 0
although the data cannot tell. Where there is no material difference, the difference is shown to be less than {{ margin }} of
accuracy, twice that of advantage.</p>
{% for claim in claims %}
<h3 class="claim" id="{{ claim.anchor }}"><code>{{ claim.id }}</code> {{ claim.short or claim.statement }} <span class="origin">{{
'claimed by the paper' if claim.source == 'paper' else 'added by us' }}</span></h3>
{% if claim.short and claim.statement %}<p>{{ claim.statement }}</p>{% endif %}
<ul class="lines">{% for arm in claim.arms %}<li>{% if arm.arm %}{{ arm.arm }}: {% endif %}<strong>{{ arm.line }}</strong></li>{% endfor %}</ul>
{% for by in claim.tasks %}
<h4 id="{{ by.anchor }}">{{ by.task }}</h4>
{% for out in by.outcomes %}<div class="outcome" id="{{ out.anchor }}">
<p><span class="badge {{ out.kind }}">{{ out.sign }} {{ out.verdict }}</span>{% if out.arm %} {{ out.arm }}{% endif %}{{ paid(out.price) }}</p>
{% if out.statement %}<p class="about">{{ out.statement }}</p>{% endif %}
{% if out.plain %}<p>{{ out.plain }}</p>{% endif %}
<p><small>Evidence: {{ out.evidence }}</small></p>
</div>
{% endfor %}{% endfor %}
{% for beside in reported if beside.claim == claim.id %}
<h4>Beside the reported figure</h4>
{% for line in beside.sentences %}<p>{{ line }}</p>
{% endfor %}
{% call tabled('Reported and measured gaps', 'data') %}{{ beside.title }}.{% endcall %}
<thead><tr>{% for text in reported_head %}<th scope="col">{{ text }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in beside.rows %}<tr>{% for one in row %}<td{% if one.sort is not none %} class="n" data-v="{{ one.sort }}"{% endif %}>{{ one.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
{% if claim.figure %}{{ picture(pictures[claim.figure]) }}{% endif %}
{% call tabled('Figures of ' + claim.id, 'data', id='table-of-' + claim.anchor) %}{{ claim.id }} in figures.{% if claim.figures %} Drawn in {% for one in claim.figures %}<a href="#figure-{{ one }}">{{ one }}</a>{% if not loop.last %}, {% endif %}{% endfor %}.{% endif %}{%
if claim.table %} Numbers: table <a href="#table-{{ claim.table }}">{{ claim.table }}</a>.{% endif %}{% endcall %}
<thead><tr><th scope="col">task</th>{% for column in claim.columns %}<th scope="col">{{ column }}</th>{% endfor %}<th scope="col">verdict</th><th scope="col" class="n">95 % interval{% if claim.unit %} ({{ claim.unit }}){% endif %}</th><th
scope="col" class="n">models</th><th scope="col" class="n">pool splits</th><th scope="col" class="n">would decide it</th></tr></thead>
<tbody>{% for by in claim.tasks %}{% for out in by.outcomes %}<tr><td>{{ by.task }}</td>{% for column in claim.columns %}<td>{{ out[column] }}</td>{% endfor %}<td>{{ out.verdict
}}</td><td class="n" data-v="{{ out.low }}">{{ out.interval }}</td>{% for key in ('n', 'splits', 'needed') %}<td class="n" data-v="{{ '' if out[key] is none else out[key] }}">{{
'&ndash;'|safe if out[key] is none else out[key] }}</td>{% endfor %}</tr>
{% endfor %}{% endfor %}</tbody></table></div>
{% else %}<p>No claim was judged.</p>{% endfor %}
<p>{{ files('tables', 'claims') }} {{ files('tables', 'verdicts') }}</p>
</section>

{% for part in parts %}
<section id="{{ part.id }}">
<h2>{{ part.title }}</h2>
<p>{{ part.text }}</p>
{% for line in part.said %}<p>{{ line }}</p>
{% endfor %}{% if part.shown %}<p class="note">Drawn above: {% for one in part.shown %}<a href="#figure-{{ one }}">{{ one }}</a>{% if not loop.last %}, {% endif %}{% endfor %}.</p>{% endif %}
{% for figure in part.figures %}{{ picture(figure) }}
{% endfor %}{% for table in part.tables %}{{ data(table) }}
{% endfor %}</section>
{% endfor %}

<section id="data">
<h2>Datasets</h2>
{% if used %}<p>{{ together }} The cards say who knows what; they do not say that a use is ethical or lawful.</p>
{% call tabled('Table: the cards used', 'cards') %}The cards of all data behind the tables, and no others.{% endcall %}
<thead><tr>{% for head in ('dataset', 'consent', 'permitted use', 'forbidden use', 'digest of the card') %}<th scope="col">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>{% for one in used %}<tr><td>{% if one.place %}<a href="#{{ one.place }}">{{ one.title }}</a>{% else %}{{ one.title }}{% endif %}</td><td>{{ one.consent }}</td><td>{{ one.permitted
}}</td><td>{{ one.forbidden }}</td><td><code>{{ one.digest }}</code></td></tr>
{% endfor %}</tbody></table></div>
{% endif %}
{% for card in cards %}
<h3 id="{{ card.id }}">{{ card.title }}</h3>
<dl>{% for term, text in card.first %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
{% if card.variants %}<p>{{ card.variants }}</p>{% endif %}
<details><summary>Data card of {{ card.title }}</summary>
<dl>{% for term, text in card.facts %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
</details>
{% for sheet in card.sheets %}<details><summary>Datasheet of {{ card.title }}</summary>
{% for part, lines in sheet %}<h4>{{ part }}</h4>
<dl>{% for line in lines %}<dt>{{ line.field }}</dt><dd>{{ line.text }}{% if line.who %} <span class="note">[{{ line.who }}]</span>{% endif %}</dd>{% endfor %}</dl>
{% endfor %}</details>
{% endfor %}{% else %}<p>No data card was given.</p>{% endfor %}
</section>

<section id="absent">
<h2>What could not be reproduced</h2>
<dl>{% for what, why in absent %}<dt>{{ what }}</dt><dd>{{ why }}</dd>{% endfor %}</dl>
{% if not absent %}<p>Nothing is named: neither by the file of the paper nor by this run.</p>{% endif %}
</section>

<section id="settings">
<h2>Settings, and how to run it again</h2>
<p>Save the settings below as <code>settings.json</code> in a checkout of popleak (<code>config.json</code> beside this page holds the same) and run</p>
<pre tabindex="0">snakemake --cores all --configfile settings.json</pre>
<p class="note">A data folder of your own goes into <code>data_dir</code> or the environment variable
<code>POPLEAK_DATA</code>; it is not
part of the settings shown.</p>
<details><summary>Settings, all defaults filled in</summary><pre id="config" tabindex="0">{{ settings }}</pre></details>
</section>

<section id="provenance">
<h2>Provenance</h2>
<dl>{% for term, text in made %}<dt>{{ term }}</dt><dd><code>{{ text }}</code></dd>{% endfor %}</dl>
{% call tabled('Steps behind the tables', '') %}The tables that this page is made of. The name of a step ends in a digest of its settings, its code and all that it reads.{% endcall %}
<thead><tr><th scope="col">table</th><th scope="col">step</th><th scope="col">code digest</th><th scope="col">files</th></tr></thead>
<tbody>{% for one in sources %}<tr><th scope="row">{{ one.table }}</th><td><code>{{ one.step }}</code></td><td><code>{{ one.code }}</code></td><td>{{ files('tables', one.table) or '' }}</td></tr>
{% endfor %}</tbody></table></div>
<details><summary>Versions of libraries</summary><dl>{% for term, text in versions %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl></details>
</section>

<section id="named">
<h2>Attacks and defences of this experiment</h2>
{% for part in named if part.entries %}
<h3>{{ part.title }}</h3>
<dl class="terms">{% for one in part.entries %}<dt>{{ one.name }}</dt><dd>{{ one.text }}</dd>{% endfor %}</dl>
{% else %}<p>None of them is known to this installation.</p>{% endfor %}
</section>

<section id="glossary">
<h2>Glossary</h2>
<dl class="terms">{% for term, meaning in terms %}<dt>{{ term }}</dt><dd>{{ meaning }}</dd>{% endfor %}</dl>
</section>
</main>
<dialog aria-label="Enlarged figure"><button type="button">Close</button><div class="box"><img alt=""></div></dialog>
<script>{{ script }}</script>
</body>
</html>
"""
)
