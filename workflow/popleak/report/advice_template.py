"""The page of an audit, and what its style sheet adds to the report's. A module, so that the code digest covers it.

One file that loads nothing and runs no script. A light is a word and a shape; its colour repeats them.
"""

from .style import HEAD

LOOK = """
:root { --red: #a33e00; --green: #00664a; --grey: #57606a; }
@media screen and (prefers-color-scheme: dark) { :root { --red: #ff9d66; --green: #5fd0ab; --grey: #a5afb9; } }
.light { display: inline-block; padding: .1rem .55rem; border-radius: .35rem; font-weight: 700; white-space: nowrap; border: 2px solid; }
.light.red { background: var(--red); border-color: var(--red); color: var(--paper); }
.light.green { color: var(--green); border-color: var(--green); background: none; }
.light.grey { color: var(--grey); border-color: var(--grey); border-style: dashed; background: none; }
.lights td, .lights th { vertical-align: middle; } .lights .why { min-width: 14rem; }
.lights svg { display: block; width: 15rem; height: 2.4rem; }
.lights svg text { font-size: 11px; fill: currentColor; }
.big { font-size: 1.05rem; }
@media (max-width: 640px) { .lights thead { display: none; } .lights :is(tbody, tr, th, td) { display: block; border: 0; }
  .lights tr { margin: .6rem 0; padding: .4rem .6rem; border: 1px solid var(--line); border-radius: .4rem; } .lights :is(th, td) { padding: .15rem 0; } }
@media print { .light { color: #000 !important; background: none !important; border-color: #000 !important; } .light.red { border-width: 4px; } }
"""

PAGE = (
    """<!doctype html>
<html lang="en">
{%- macro lamp(word) %}<span class="light {{ word }}">{{ signs[word] }} {{ word }}</span>{% endmacro %}
{%- macro lines(some) %}<ul class="findings">{% for line in some %}<li>{{ line }}</li>
{% endfor %}</ul>{% endmacro %}
"""
    + HEAD
    + """<p class="kicker">popleak audit &middot; experiment <code>{{ name }}</code></p>
<h1>{{ title }}</h1>
<nav aria-label="Sections">{% for id, text in sections %}<a href="#{{ id }}">{{ text }}</a> {% endfor %}</nav>
</header>
<main>
<section id="answer" class="answer">
<h2>What the {{ 'model' if defence == 'none' else 'model, released with ' + defence + ',' }} gives away about its training set</h2>
{% for line in headlines %}<p class="headline">{{ line }}</p>
{% endfor %}
<p class="big">{{ lamp(light) }} {{ tally }}</p>
<p>{{ trained }}</p>
{% for line in warnings %}<p class="warning" role="note"><strong>Warning.</strong> {{ line }}</p>
{% endfor %}
<p class="caption">A light for each question and each kind of access. Bar: cases of 100 in which the adversary is right, with the 95 % interval; the line is guessing, the band the
margin, small ticks are shuffled groups.</p>
<div class="scroll" role="region" tabindex="0" aria-label="Lights"><table class="lights">
<caption>Lights</caption>
<thead><tr><th scope="col">the adversary tells</th><th scope="col">and sees</th><th scope="col">light</th><th scope="col">right in 100 cases</th><th scope="col">why</th></tr></thead>
<tbody>{% for one in lights %}<tr><th scope="row">{{ one.sides }}{% if one.arm %} <small>{{ one.arm }}</small>{% endif %}</th><td>{{ one.access }}</td><td>{{ lamp(one.word) }}</td>
<td><svg viewBox="0 0 240 38" role="img" aria-label="{{ one.said }}"><rect x="{{ one.band[0] }}" y="4" width="{{ one.band[1] }}" height="18" fill="currentColor" fill-opacity=".18"/>
<line x1="120" y1="2" x2="120" y2="24" stroke="currentColor" stroke-dasharray="3 2"/>{% for tick in one.ticks %}<line x1="{{ tick }}" y1="17" x2="{{ tick }}" y2="25" stroke="currentColor" stroke-width="1.5"/>{% endfor %}
{% if one.span %}<line x1="{{ one.span[0] }}" y1="13" x2="{{ one.span[1] }}" y2="13" stroke="currentColor" stroke-width="3"/>{% endif %}<circle cx="{{ one.point }}" cy="13" r="4.5" fill="currentColor"/>
<text x="120" y="36" text-anchor="middle">{{ one.short }}</text></svg></td>
<td class="why">{{ one.why }}</td></tr>
{% endfor %}</tbody></table></div>
</section>

<section id="next">
<h2>What to do next</h2>
{{ lines(todo) }}
</section>

<section id="who">
<h2>Who could do it, and with what</h2>
{% for task in who %}{% if task.title %}<h3>{{ task.title }}</h3>{% endif %}
<dl>{% for term, text in task.parts %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
{% endfor %}</section>

<section id="defences">
<h2>What helps, and its price</h2>
{% for line in practice %}<p>{{ line }}</p>
{% else %}<p>{% if does %}No defence was judged.{% else %}No defence was run.{% endif %}</p>{% endfor %}
{% if does %}<dl>{% for name, text in does %}<dt>{{ name }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>{% endif %}
{% if prices %}<p class="caption">Each defence beside the model as it is. Question: which training sets are told apart, by their shares of group 1. Delta_EO: by how much true and false positive rates differ between the groups, 0 if they are alike. Advantage: of the best adversary that knows the defence, with limits that hold for all defences of a question
together. Certified: no adversary has more, by a theorem.</p>
<div class="scroll" role="region" tabindex="0" aria-label="Defences and prices"><table class="data">
<caption>Defences and prices</caption>
<thead><tr><th scope="col">question</th><th scope="col">defence</th><th scope="col">best choice</th><th scope="col" class="n">advantage left</th><th scope="col" class="n">certified</th>
<th scope="col" class="n">accuracy, points</th><th scope="col" class="n">Delta_EO</th><th scope="col" class="n">CPU seconds a model</th></tr></thead>
<tbody>{% for row in prices %}<tr><td>{{ row.question }}</td><td>{{ row.defence }}</td><td>{{ row.best }}</td><td class="n">{{ row.advantage }}</td><td class="n">{{ row.certified }}</td>
<td class="n">{{ row.accuracy }}</td><td class="n">{{ row.eo }}</td><td class="n">{{ row.seconds }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}
</section>

<section id="sure">
<h2>How sure this is</h2>
{{ lines(sure) }}
</section>

<section id="left-out">
<h2>What was left out, and why</h2>
{{ lines(left_out) }}
</section>

<section id="claims">
<h2>Claims of a paper</h2>
<details><summary>{{ claims|length }} verdicts on claims{% if paper %} of {{ paper }}{% endif %}: not needed for a release</summary>
{% if claims %}<div class="scroll" role="region" tabindex="0" aria-label="Verdicts on claims"><table class="data">
<caption>Verdicts on claims</caption>
<thead><tr><th scope="col">claim</th><th scope="col">verdict</th><th scope="col">statement</th></tr></thead>
<tbody>{% for one in claims %}<tr><td>{{ one.claim }}</td><td>{{ one.verdict }}</td><td class="about">{{ one.statement }}</td></tr>
{% endfor %}</tbody></table></div>{% else %}<p>No claim was judged.</p>{% endif %}
</details>
</section>

<section id="data">
<h2>Data</h2>
{% for card in cards %}
<h3>{{ card.title }}</h3>
<dl>{% for term, text in card.first %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
<details><summary>Data card of {{ card.title }}</summary>
<dl>{% for term, text in card.facts %}<dt>{{ term }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
</details>
{% endfor %}</section>

<section id="settings">
<h2>Settings, and how to run it again</h2>
<p>The whole <a href="report.html">report</a>, with figures and tables, lies beside this page. In the folder where the audit was run, make it again
with the config that was run then (<code>popleak audit --config</code> and its name). <code>config.json</code> beside this page holds the settings below,
in which tables are named without their folders. It does the same if the table lies in the folder where you run it or below <code>data/table/</code>:</p>
<pre tabindex="0">popleak audit --config results/{{ name }}/config.json</pre>
<details><summary>Settings, all defaults filled in</summary><pre id="config" tabindex="0">{{ settings }}</pre></details>
</section>

<section id="provenance">
<h2>Provenance</h2>
<dl>{% for term, text in made %}<dt>{{ term }}</dt><dd><code>{{ text }}</code></dd>{% endfor %}</dl>
<details><summary>Steps behind the tables</summary><dl>{% for one in sources %}<dt>{{ one.table }}</dt><dd><code>{{ one.step }}</code></dd>{% endfor %}</dl></details>
</section>
</main>
</body>
</html>
"""
)
